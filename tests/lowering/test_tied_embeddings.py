"""Tables that are looked up in one call, and multiplied with in another."""

import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt.inference.dynamic_dense import DynamicDense

L = keras.layers
TOKENS = np.random.default_rng(0).integers(0, 20, (16, 5))


def language_model(**how):
    table = L.ReversibleEmbedding(20, 8, name="table", **how)
    ids = keras.Input((5,), dtype="int32")
    logits = table(L.Dense(8, name="dense")(table(ids)), reverse=True)
    model = keras.Model(ids, logits)
    for weight in model.weights:
        weight.assign(np.random.default_rng(1).normal(size=weight.shape) / 2)
    return model


HOW = [{}, {"tie_weights": False}, {"mask_zero": True}, {"logit_soft_cap": 3.0}]


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("spec", ["int8", "int8_dynamic", "int8_weight_only"])
def test_reverse_calls_are_products(spec, how, tmp_path):
    model = language_model(**how)
    rules = [("table", spec)]
    quantized = ko.quantize(model, spec, calibration=TOKENS, rules=rules, verbose=0)
    converted = ko.convert(quantized, spec)
    expected, found = quantized.predict(TOKENS, verbose=0), converted.predict(TOKENS, verbose=0)
    assert found.shape == (16, 5, 20)
    np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())
    np.testing.assert_allclose(expected, model.predict(TOKENS, verbose=0), atol=0.5)
    ko.save(converted, tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(TOKENS, verbose=0), found)
    if spec == "int8":  # a table of its own, and integers
        assert isinstance(converted.get_layer("table_1"), DynamicDense)
        assert ko.summary(converted, print_fn=len).integer_share == 1.0
        np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def test_a_rule_prunes_both_tables():
    model = language_model(tie_weights=False)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    pruning = ko.callbacks.Pruning(0.5, rules=[("table", 0.5)])
    model.fit(TOKENS, TOKENS, verbose=0, callbacks=[pruning])
    table = model.get_layer("table")
    for weight in (table.embeddings, table.reverse_embeddings):
        assert np.mean(weight.numpy() == 0) == pytest.approx(0.5, abs=0.2)
    (row,) = (row for row in ko.summary(model, print_fn=len).layers if row.path == "table")
    assert row.kernel_parameters == 2 * 20 * 8 and row.zeros == 20 * 8
