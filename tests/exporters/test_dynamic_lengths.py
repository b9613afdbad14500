"""Files of models of sequences of any length run with other lengths, and compute the same."""

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from exporters.test_borders import RUNTIMES, exported
from keras import layers, ops
from lowering.trained import randomize, run

import kerasopt as ko

LENGTHS = [(4, 8), (3, 5), (2, 13)]


@keras.saving.register_keras_serializable(package="tests")
class Decoder(layers.Layer):
    """A causal block with rotary and learned positions, and a mask of padding."""

    def build(self, shape, *others):
        self.query, self.key, self.value, self.output_dense = (layers.Dense(16) for _ in range(4))
        for layer in (self.query, self.key, self.value, self.output_dense):
            layer.build(shape)
        self.positions = self.add_weight(shape=(64, 16), initializer="random_normal")

    def call(self, x, padding_mask):
        batch, length = ops.shape(x)[:2]
        x = x + self.positions[:length]
        heads = (batch, length, 2, 8)
        query, key, value = (
            ops.reshape(layer(x), heads) for layer in (self.query, self.key, self.value)
        )
        scores = ops.einsum("bqhd,bkhd->bhqk", rotated(query), rotated(key)) / 8**0.5
        place = ops.arange(length)
        sees = ops.logical_and(place[:, None] >= place[None, :], padding_mask[:, None, None] > 0)
        weights = ops.softmax(ops.where(sees, scores, -1e9))
        y = ops.einsum("bhqk,bkhd->bqhd", weights, value)
        return x + self.output_dense(ops.reshape(y, (batch, length, 16)))


def rotated(x):
    angle = ops.arange(ops.shape(x)[1], dtype="float32")[:, None] * np.float32(
        [1, 0.1, 0.01, 0.001]
    )
    sine, cosine = ops.sin(angle)[None, :, None], ops.cos(angle)[None, :, None]
    first, second = ops.split(x, 2, axis=-1)
    return ops.concatenate([first * cosine - second * sine, first * sine + second * cosine], -1)


def language():
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    mask = keras.Input((None,), dtype="int32", name="mask")
    x = Decoder()(layers.Embedding(20, 16)(tokens), mask)
    return randomize(keras.Model({"tokens": tokens, "mask": mask}, layers.Dense(20)(x)))


class Language(keras.Model):
    """A model of code: Keras keeps one shape of its inputs, and no dtype."""

    def __init__(self):
        super().__init__()
        self.table, self.block, self.head = layers.Embedding(20, 16), Decoder(), layers.Dense(20)

    def call(self, inputs):
        return self.head(self.block(self.table(inputs["tokens"]), inputs["mask"]))


class Bag(keras.Model):
    """Reads tokens, and features whose number is fixed."""

    def __init__(self):
        super().__init__()
        self.table, self.pool = layers.Embedding(20, 16), layers.GlobalMaxPooling1D()
        self.dense = layers.Dense(8)

    def call(self, inputs):
        tokens, features = inputs
        return keras.ops.concatenate([self.pool(self.table(tokens)), self.dense(features)], -1)


def data(count, length):
    tokens = np.random.default_rng(length).integers(0, 20, (count, length)).astype("int32")
    mask = np.ones_like(tokens)
    mask[0, -2:] = 0
    return {"tokens": tokens, "mask": mask}


@pytest.fixture(scope="module", params=["int8", "int4_weight_only"])
def converted(request):
    keras.utils.set_random_seed(0)
    spec = request.param
    calibration = data(4, 8) if spec == "int8" else None
    return ko.convert(ko.quantize(language(), spec, calibration=calibration, verbose=0), spec)


def file_of(model, format, folder):
    """Returns what runs the file of a model on the inputs of the model."""
    if format == "tf_saved_model":
        ko.export(model, folder / "model", format=format)
        served = tf.saved_model.load(str(folder / "model"))
        return lambda x: served.serve(x).numpy()
    file = exported(model, format, folder)
    return lambda x: file(*keras.tree.flatten(x))[0]


@pytest.mark.parametrize("format", [*RUNTIMES, "tf_saved_model"])
def test_files_run_with_other_lengths(converted, format, tmp_path):
    file = file_of(converted, format, tmp_path)
    for count, length in LENGTHS:
        x = data(count, length)
        # An integer may be on the other side of a rounding after what is float.
        difference = np.abs(file(x) - run(converted, x))
        assert np.quantile(difference, 0.9) < 1e-5 and difference.max() < 0.05


def test_lengths_of_two_sequences_have_names_of_their_own(tmp_path):
    first, second = (keras.Input((None, 4), name=name) for name in ("first", "second"))
    model = keras.Model([first, second], layers.Attention()([first, second]))
    ko.export(model, tmp_path / "model.onnx", format="onnx")
    inputs = onnx.load(tmp_path / "model.onnx").graph.input
    lengths = [each.type.tensor_type.shape.dim[1].dim_param for each in inputs]
    assert lengths == ["first_size_1", "second_size_1"]


@pytest.mark.parametrize("format", RUNTIMES)
def test_what_is_only_passed_on_has_any_length(format, tmp_path):
    inputs = keras.Input((None, 4))
    model = keras.Model(inputs, [inputs, ops.exp(inputs), ops.exp(inputs)])
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    for found, expected in zip(exported(model, format, tmp_path)(x), run(model, x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:Parts of", "ignore:.* values of .* stay float32")
@pytest.mark.parametrize("format", [*RUNTIMES, "tf_saved_model"])
@pytest.mark.parametrize("spec", [None, "int8"])
def test_files_of_models_of_code_run_with_other_lengths(spec, format, tmp_path):
    model = Language()
    # Keras takes inputs of unknown dtype for floats; those of tables are integers.
    examples = [{**x, "mask": x["mask"].astype("float32")} for x in (data(*n) for n in LENGTHS)]
    model(examples[0])
    randomize(model)
    if spec is not None:
        model = ko.convert(ko.quantize(model, spec, calibration=examples[0], verbose=0), spec)
    file = file_of(model, format, tmp_path)
    for x in examples:
        difference = np.abs(file(x) - run(model, x))
        assert np.quantile(difference, 0.9) < 1e-5 and difference.max() < 0.05


@pytest.mark.parametrize("format", [*RUNTIMES, "tf_saved_model"])
def test_of_models_of_code_only_sequences_have_any_length(format, tmp_path):
    model = Bag()
    features = np.ones((3, 6), "float32")
    model([data(3, 8)["tokens"], features])
    randomize(model)
    file = file_of(model, format, tmp_path)
    for length in (8, 5):
        x = [data(3, length)["tokens"], features]
        np.testing.assert_allclose(file(x), run(model, x), atol=1e-6)


@pytest.mark.parametrize("format", [*RUNTIMES, "tf_saved_model"])
def test_a_length_that_code_needs_is_kept(format, tmp_path):
    class Fixed(Bag):
        def call(self, tokens):
            return self.dense(keras.ops.reshape(self.table(tokens), (-1, 8 * 16)))

    model, x = Fixed(), data(3, 8)["tokens"]
    model(x)
    np.testing.assert_allclose(file_of(model, format, tmp_path)(x), run(model, x), atol=1e-6)
