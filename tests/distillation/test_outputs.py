import keras
import pytest

from kerasopt.distillation import Kind, outputs_of

losses = keras.losses


@pytest.mark.parametrize(
    ("loss", "kind"),
    [
        ("sparse_categorical_crossentropy", Kind.PROBABILITIES),
        ("categorical_crossentropy", Kind.PROBABILITIES),
        ("kl_divergence", Kind.PROBABILITIES),
        (losses.SparseCategoricalCrossentropy(from_logits=True), Kind.LOGITS),
        (losses.CategoricalCrossentropy(), Kind.PROBABILITIES),
        (losses.CategoricalFocalCrossentropy(from_logits=True), Kind.LOGITS),
        (losses.KLDivergence(), Kind.PROBABILITIES),
        ("mse", Kind.VALUES),
        (losses.Huber(), Kind.VALUES),
        (losses.mean_absolute_error, Kind.VALUES),
        (losses.BinaryCrossentropy(from_logits=True), Kind.DECISIONS),
        ("hinge", Kind.DECISIONS),
        (lambda y_true, y_pred: y_pred, Kind.UNKNOWN),
        (None, Kind.UNKNOWN),
    ],
)
def test_the_loss_tells_what_an_output_is(loss, kind):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    assert outputs_of(model, model.outputs[0])[0].kind is Kind.UNKNOWN
    model.compile("sgd", loss)
    assert outputs_of(model, model.outputs[0])[0].kind is kind


def test_losses_and_weights_are_found_by_name_and_by_place():
    inputs = keras.Input((3,))
    a, b = (keras.layers.Dense(units, name=name)(inputs) for name, units in (("a", 2), ("b", 5)))
    for outputs, loss, weights in (
        ({"x": a, "y": b}, {"x": "mse", "y": None}, {"x": 2.0, "y": 0.0}),
        ([a, b], ["mse", None], [2.0, 0.0]),
        ([a, b], {"a": "mse", "b": None}, {"a": 2.0, "b": 0.0}),
        ({"x": {"z": a}, "y": b}, {"x": {"z": "mse"}, "y": None}, None),
    ):
        model = keras.Model(inputs, outputs)
        model.compile("sgd", loss, loss_weights=weights)
        found = {output.shape[-1]: output for output in outputs_of(model, model.output)}
        assert found[2].kind is Kind.VALUES and found[5].loss is None
        assert found[2].weight == (2.0 if weights else 1.0)
        names = {"x", "y"} if isinstance(outputs, dict) else {"a", "b"}
        assert {output.name.split("/")[0] for output in found.values()} == names
