"""Models with code of their own keep their class, and each layer computes in its place."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers
from lowering.trained import run
from processes import run as run_process

import kerasopt as ko
from kerasopt.inference.held import DynamicWeight, IntegerWeight
from kerasopt.parametrization import links_of_model

GROUPS = ko.quantization.Spec(ko.quantization.Format(4, symmetric=True), None, granularity=8)
SPECS = ["int8_dynamic", "int8_weight_only", "int4_weight_only", GROUPS, "bfloat16"]


@keras.saving.register_keras_serializable(package="tests")
class Block(layers.Layer):
    def __init__(self, width=16, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.attention = layers.MultiHeadAttention(2, 8)
        self.norm = layers.LayerNormalization()
        self.up = layers.Dense(32, activation="gelu")
        self.down = layers.EinsumDense("abc,cd->abd", (None, width), bias_axes="d")

    def build(self, shape):
        self.attention.build(shape, shape)
        self.norm.build(shape)
        self.up.build(shape)
        self.down.build((*shape[:-1], 32))

    def call(self, x):
        x = self.norm(x + self.attention(x, x))
        return x + self.down(self.up(x))

    def get_config(self):
        return {**super().get_config(), "width": self.width}


@keras.saving.register_keras_serializable(package="tests")
class Language(keras.Model):
    """A table that is looked up and multiplied with, and composite layers."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.table = layers.ReversibleEmbedding(40, 16)
        self.blocks = [Block(), Block()]

    def call(self, tokens):
        x = self.table(tokens)
        for block in self.blocks:
            x = block(x)
        return self.table(x, reverse=True)

    def top(self, tokens):
        """Something that only this class has."""
        return keras.ops.argmax(self(tokens), axis=-1)


TOKENS = np.random.default_rng(0).integers(0, 40, (4, 6)).astype("int32")


def language():
    keras.utils.set_random_seed(0)
    model = Language()
    model(TOKENS)
    for weight in model.weights:
        weight.assign(np.random.default_rng(len(weight.shape)).normal(size=weight.shape) / 4)
    return model


def quantized(spec):
    table = "int8_weight_only" if spec == "int8_dynamic" else spec
    return ko.quantize(language(), spec, rules=[("table", table)], verbose=0)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: getattr(spec, "granularity", spec))
def test_the_class_stays_and_the_values_are_those_of_the_simulation(spec, tmp_path):
    import tensorflow as tf

    model = quantized(spec)
    expected = run(model, TOKENS)
    converted = ko.convert(model, spec if isinstance(spec, str) else "int8")
    assert isinstance(converted, Language) and converted.blocks[0].up.units == 32
    assert not converted.trainable_weights and not converted.compiled
    held = [each.link for each in links_of_model(converted)]
    assert len(held) == 13 and all(link.holds_weight for link in held)
    # The simulation rounds what float32 sums, and activations to 16 bits.
    is_rounded = spec in ("int8_dynamic", "bfloat16")
    tolerance = (0.02 if is_rounded else 1e-4) * np.abs(expected).max()
    found = run(converted, TOKENS)
    for values in (
        found,
        tf.function(converted)(TOKENS),
        tf.function(converted, jit_compile=True)(TOKENS),
    ):
        np.testing.assert_allclose(values, expected, atol=tolerance)
    np.testing.assert_array_equal(converted.top(TOKENS), found.argmax(-1))
    np.testing.assert_array_equal(run(model, TOKENS), expected)  # it is as it was
    ko.save(converted, tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, Language)
    np.testing.assert_array_equal(run(loaded, TOKENS), found)


def test_every_product_of_dynamic_ranges_is_of_integers():
    converted = ko.convert(quantized("int8_dynamic"))
    kinds = [type(each.link) for each in links_of_model(converted)]
    assert kinds.count(DynamicWeight) == 12 and kinds.count(IntegerWeight) == 1
    rows = ko.summary(converted, print_fn=len).layers
    bits = {row.path: (row.bits, row.input_bits) for row in rows}
    assert bits["blocks/0/up"] == (8, 8) and bits["blocks/1/down"] == (8, 8)


def test_layers_that_multiply_floats_are_named():
    @keras.saving.register_keras_serializable(package="tests")
    class Convolutions(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.first = layers.Conv1D(8, 3)
            self.rows, self.top = layers.Dense(8), layers.Dense(2)

        def call(self, x):
            return self.top(self.rows(self.first(x)))

    model = Convolutions()
    x = np.random.default_rng(0).normal(size=(2, 6, 4)).astype("float32")
    model(x)
    quantized = ko.quantize(model, "int8_dynamic", rules=[("top", None)], verbose=0)
    named = "Conv1D has no form with rows that are rounded as they come: first\n.*rule.*it: top$"
    with pytest.warns(UserWarning, match=named):
        ko.convert(quantized)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        ko.convert(ko.quantize(model, "int8_weight_only", verbose=0))


def test_a_row_of_several_axes_has_one_scale():
    model = quantized("int8_dynamic")
    output = model.blocks[0].attention._output_dense
    (quantizer,) = output.parametrizations["input"]
    assert quantizer.axes == 2
    x = np.random.default_rng(0).normal(size=(1, 3, 2, 8)).astype("float32")
    rounded = np.asarray(quantizer(x)).reshape(3, 16)
    for row, values in zip(rounded, x.reshape(3, 16), strict=True):
        steps = row / (np.abs(values).max() / 127)
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)


def test_another_process_loads_the_file(tmp_path):
    converted = ko.convert(quantized("int4_weight_only"))
    ko.save(converted, tmp_path / "model.keras")
    np.save(tmp_path / "expected.npy", run(converted, TOKENS))
    script = (
        "import sys, keras, numpy as np, kerasopt; from lowering.test_in_place import *; "
        "folder = sys.argv[1]; model = keras.models.load_model(folder + '/model.keras'); "
        "assert (run(model, TOKENS) == np.load(folder + '/expected.npy')).all(); print('equal')"
    )
    assert "equal" in run_process("-c", script, tmp_path)


def test_lora_is_enabled_before_the_conversion():
    converted = ko.convert(quantized("int4_weight_only"))
    with pytest.raises(ValueError, match="Enable LoRA before you convert"):
        converted.blocks[0].up.enable_lora(2)
