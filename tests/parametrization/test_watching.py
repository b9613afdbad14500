"""Operations in the code of layers, with chains, in training and in files."""

import warnings

import keras
import numpy as np
import pytest
from graph.composites import (
    Causal,
    DeclaresOthers,
    Making,
    OfTensorFlow,
    Operands,
    Positioned,
    Residual,
    Twice,
)
from keras import layers

import kerasopt as ko
from kerasopt.parametrization import links_of_model

SEQUENCES = np.random.default_rng(0).normal(size=(32, 5, 8)).astype("float32")
LABELS = np.random.default_rng(1).integers(3, size=32)


def make(*parts, **compiled):
    inputs = keras.Input((None, 8))
    x = layers.Dense(8)(inputs)
    for part in parts:
        x = part(x)
    outputs = layers.Dense(3)(layers.GlobalAveragePooling1D()(x))
    model = keras.Model(inputs, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, **compiled)
    return model


def trained(*parts, **compiled):
    keras.utils.set_random_seed(0)
    model = make(*parts, **compiled)
    model.fit(
        SEQUENCES, LABELS, 8, epochs=2, verbose=0, callbacks=[ko.callbacks.QuantizationAware()]
    )
    return model


def rounded(model):
    """Returns the paths of the activations that are rounded."""
    found = links_of_model(model, ko.quantization.ActivationQuantizer)
    return {path for path, _, _, link in found if link.is_enabled and link.has_range}


@pytest.mark.parametrize("compiled", [{}, {"run_eagerly": True}, {"steps_per_execution": 2}])
def test_operations_are_rounded_in_training(compiled):
    model = trained(Residual(name="block"), **compiled)
    assert {"block/add", "block/multiply", "block/norm"} <= rounded(model)


class Penalized(layers.Layer):
    """Adds a loss, as experts and variational encoders do."""

    def build(self, shape):
        self.dense = layers.Dense(shape[-1])
        self.dense.build(shape)

    def call(self, x):
        y = x + self.dense(x)
        self.add_loss(0.1 * keras.ops.mean(keras.ops.square(y)))
        return y


@pytest.mark.parametrize("compiled", [{}, {"run_eagerly": True}])
def test_code_that_adds_losses_is_rounded_and_they_count(compiled):
    assert "block/add" in rounded(trained(Penalized(name="block"), **compiled))
    found = []
    for callbacks in ([], [ko.callbacks.QuantizationAware(begin=1000)]):
        keras.utils.set_random_seed(0)
        model = make(Penalized(name="block"), **compiled)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the beginning is never reached
            model.fit(SEQUENCES, LABELS, 8, epochs=2, verbose=0, callbacks=callbacks)
        found.append(model.history.history["loss"])
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_layers_made_in_a_call_are_rounded():
    # Pooling, a product and a sum; what only moves values has no quantizer.
    made = {"block/global_average_pooling1_d", "block/multiply", "block/add"}
    found = rounded(trained(Making(name="block")))
    assert made <= found and "block/reshape" not in found


class Experts(layers.Layer):
    """Multiplies with a weight that is no kernel."""

    def build(self, shape):
        self.w = self.add_weight(shape=(2, shape[-1], shape[-1]), name="w")
        self.built = True

    def call(self, x):
        return keras.ops.mean(keras.ops.einsum("bth,ehm->ebtm", x, self.w), axis=0)


def test_products_with_weights_are_rounded():
    model = trained(Experts(name="block"))
    assert "block/einsum" in rounded(model)
    (link,) = model.get_layer("block").parametrizations["w"]
    assert link.axis == (0, 2) and link.is_enabled


def test_operations_on_what_functions_of_tensorflow_return_are_not_rounded():
    # No quantizer would see them: in training, their tensors are none of Keras.
    found = rounded(trained(OfTensorFlow(name="block")))
    assert {"block/add", "block/add_1", "block/matmul"} <= found
    assert "block/multiply" not in found


def test_operators_of_weights_and_arrays_are_rounded():
    # One addend of `add_1` is computed from a weight only.
    assert {"block/add", "block/add_1"} <= rounded(trained(Operands(name="block")))


def test_the_path_of_training_has_the_quantizers_of_the_same_operations():
    model = trained(Residual(name="block"))
    ko.quantization.freeze_ranges(model)
    block = model.get_layer("block")
    x = keras.ops.convert_to_tensor(SEQUENCES)
    outputs = [block(x, training=training) for training in (False, True)]
    # Its further operations multiply by 2 and by 1/2, which changes no bit.
    np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, outputs))
    plain = ko.finalize(ko.graph.clone(model), verbose=False).get_layer("block")
    assert not np.array_equal(outputs[0], plain(x))


@pytest.mark.parametrize("block", [Residual, Causal, Twice, Making, DeclaresOthers, OfTensorFlow])
def test_the_converted_model_has_the_calls_of_the_layer(block):
    model = trained(block(name="block"))
    expected = model.predict(SEQUENCES, verbose=0)
    converted = ko.convert(model)
    assert not any(isinstance(layer, block) for layer in converted.layers)
    found = converted.predict(SEQUENCES, verbose=0)
    np.testing.assert_allclose(found, expected, atol=0.03 * np.abs(expected).max())
    # Also for other sizes than those of the training.
    longer = np.tile(SEQUENCES[:3], (1, 2, 1))
    expected = model.predict(longer, verbose=0)
    found = converted.predict(longer, verbose=0)
    np.testing.assert_allclose(found, expected, atol=0.03 * np.abs(expected).max())


@pytest.mark.parametrize("block", [Residual, Causal, Twice, Making])
def test_files_have_the_quantizers(block, tmp_path):
    model = trained(block(name="block"))
    model.save(tmp_path / "model.keras")
    custom = {cls.__name__: cls for cls in type(model.get_layer("block")).__mro__}
    custom |= {cls.__name__: cls for cls in (Residual, Causal, Twice, Making)}
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects=custom)
    assert rounded(loaded) == rounded(model)
    expected = model.predict(SEQUENCES, verbose=0)
    np.testing.assert_array_equal(loaded.predict(SEQUENCES, verbose=0), expected)
    # Both go on alike, but for the order of sums, which plain Keras does not keep, either.
    for each in (model, loaded):
        keras.utils.set_random_seed(1)
        each.fit(SEQUENCES, LABELS, 8, verbose=0, callbacks=[ko.callbacks.QuantizationAware()])
    assert rounded(loaded) == rounded(model)
    expected, found = (each.predict(SEQUENCES, verbose=0) for each in (model, loaded))
    np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())


def test_names_of_operations_are_those_of_data_whatever_is_made_of_sizes(tmp_path):
    model = trained(Positioned(name="block"))
    model.save(tmp_path / "model.keras")
    custom = {"Positioned": Positioned}
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects=custom)
    # Called before anything has recorded it.
    np.testing.assert_array_equal(loaded(SEQUENCES), model(SEQUENCES))
    assert {"block/multiply", "block/add", "block/add_1", "block/add_2"} <= rounded(loaded)


def test_finalizing_leaves_the_layer_as_it_was():
    plain = make(Residual(name="block")).get_layer("block")
    model = trained(Residual(name="block"))
    ko.finalize(model, verbose=False)
    block = model.get_layer("block")
    assert type(block) is Residual
    assert set(vars(block)) == set(vars(plain))
    assert len(block.weights) == len(plain.weights)


def test_a_rule_names_an_operation():
    model = make(Residual(name="block"))
    # A layer normalization has integers between others only.
    rules = [("block/norm", None)]
    quantized = ko.quantize(model, "int8", SEQUENCES, rules=rules, verbose=0)
    assert "block/multiply" in rounded(quantized) and "block/norm" not in rounded(quantized)
    rules = [("block/multiply", None)]
    quantized = ko.quantize(model, "int8", SEQUENCES, rules=rules, verbose=0)
    assert "block/multiply" not in rounded(quantized)
