"""Converting models whose own code says what they compute."""

import keras
import numpy as np
import pytest
from graph.models import Subclassed
from keras import layers
from lowering.trained import images, quantization_aware, randomize, run

import kerasopt as ko
from kerasopt.lowering import convert


class Blocks(keras.Model):
    """A subclassed model of a composite layer, a nested model and operations."""

    def __init__(self):
        super().__init__()
        self.stem = layers.Conv2D(8, 3, padding="same", activation="relu")
        self.inner = Subclassed()
        self.norm = layers.BatchNormalization()
        self.relu = layers.ReLU()
        self.body = layers.Conv2D(8, 3, padding="same")
        self.branch = layers.Conv2D(8, 3, padding="same")

    def call(self, x, training=False):
        x = self.relu(self.norm(self.body(self.stem(x)), training=training))
        x = x + self.branch(x)
        return self.inner(keras.ops.mean(x, axis=(1, 2)))


def test_subclassed_models_are_called_on_symbols():
    model, x = Blocks(), images()
    model(x)
    model = quantization_aware(randomize(model), x)
    nodes = [len(layer._inbound_nodes) for layer in model._flatten_layers()]
    expected = run(model, x)
    with pytest.warns(UserWarning, match="Mean has no integer form"):
        integers = convert(model)
    kinds = [type(layer).__name__ for layer in integers.layers]
    assert kinds.count("QuantizedConv2D") == 3 and kinds.count("QuantizedDense") == 4
    assert kinds.count("QuantizedAdd") == 1
    np.testing.assert_allclose(run(integers, x), expected, atol=0.05 * np.abs(expected).max())
    # The model is as it was.
    assert nodes == [len(layer._inbound_nodes) for layer in model._flatten_layers()]
    np.testing.assert_array_equal(run(model, x), expected)
    assert type(model.inner).__name__ == "Subclassed"


def test_a_model_that_looks_at_values_raises():
    class Looking(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, x):
            return self.dense(x) * float(np.asarray(x)[0, 0])

    model = Looking()
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    model(x)
    model = quantization_aware(model, x)
    with pytest.raises(ValueError, match="cannot be recorded: its code needs the values"):
        convert(model)


class Noisy(keras.Model):
    """Trains by another path than it predicts by, unless it is told not to train."""

    def __init__(self):
        super().__init__()
        self.noise = layers.GaussianNoise(1.0)
        self.block = Block()
        self.head = layers.Dense(2)

    def call(self, x, training=True):
        x = self.noise(x + 5.0 if training else x, training=training)
        return self.head(self.block(x))


class Block(layers.Layer):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(8, activation="relu")
        self.drop = layers.AlphaDropout(0.5)

    def call(self, x, training=None):
        x = self.drop(self.dense(x), training=training)
        return x if training is False else x * 100.0


def test_the_path_of_inference_is_recorded():
    model, x = Noisy(), np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
    model(x)
    expected = model.predict(x, verbose=0)
    quantized = ko.quantize(model, "int8", x, verbose=0)
    integers = convert(quantized)
    kinds = [type(layer).__name__ for layer in integers.layers]
    assert kinds.count("QuantizedDense") == 2 and not any("Dropout" in kind for kind in kinds)
    for found in (quantized, integers):
        outputs = found.predict(x, verbose=0)
        np.testing.assert_allclose(outputs, expected, atol=0.05 * np.abs(expected).max())


class Convolutional(keras.Model):
    """Takes images of any size, unless `resized`: then its code looks at the size."""

    def __init__(self, resized=False, data_format=None):
        super().__init__()
        self.first = layers.Conv2D(4, 3, padding="same", data_format=data_format)
        self.relu = layers.ReLU()
        self.last = layers.Conv2D(2, 1, data_format=data_format)
        self.resized = resized

    def call(self, x):
        y = self.last(self.relu(self.first(x)))
        if self.resized == "reshape":
            return keras.ops.reshape(y, (-1, y.shape[1] * y.shape[2] * y.shape[3]))
        if self.resized == "branch":  # another result where the size is not known
            return y if y.shape[1] is None else y + 1.0
        return y


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        ({}, (None, None, None, 3)),
        ({"data_format": "channels_first"}, (None, 3, None, None)),
        ({"resized": "reshape"}, (None, None, None, 3)),
        ({"resized": "branch"}, (None, None, None, 3)),
    ],
)
@pytest.mark.filterwarnings("ignore:Parts of")
def test_sizes_that_a_model_does_not_need_stay_open(arguments, shape):
    model = Convolutional(**arguments)
    small, large = (np.moveaxis(images(n, n, 3)[:2], -1, shape.index(3)) for n in (8, 12))
    model(small[:1])
    quantized = ko.quantize(model, "int8", small, verbose=0)
    integers = convert(quantized)
    assert integers.input_shape == shape
    for x in [small, large] if None in shape[2:] else [small]:
        expected = run(quantized, x)
        np.testing.assert_allclose(run(integers, x), expected, atol=0.05 * np.abs(expected).max())


class Chain(keras.Model):
    def __init__(self, *called):
        super().__init__()
        self.called = list(called)

    def call(self, x):
        for layer in self.called:
            x = layer(x)
        return x


@pytest.mark.parametrize("name", ["bidirectional", "video"])
@pytest.mark.filterwarnings("ignore:Parts of")
def test_sequences_and_videos_are_exported(name, tmp_path):
    if name == "bidirectional":
        model, shape = Chain(layers.Bidirectional(layers.GRU(3)), layers.Dense(2)), (6, 4)
    else:
        frames = layers.TimeDistributed(layers.Conv2D(3, 3))
        model, shape = Chain(frames, layers.GlobalAveragePooling3D()), (3, 5, 5, 2)
    x = np.random.default_rng(0).normal(size=(4, *shape)).astype("float32")
    model(x)
    integers = convert(ko.quantize(model, "int8", x, verbose=0))
    ko.export(integers, tmp_path / "model.tflite")
    report = ko.compare(integers, tmp_path / "model.tflite", x)
    assert report.first_parting is None, str(report)


class Several(keras.Model):
    """Takes a list, a dictionary, or two arguments."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.left, self.right = layers.Dense(4), layers.Dense(4)


class List(Several):
    def call(self, inputs):
        return self.left(inputs[0]) + self.right(inputs[1])


class Dictionary(Several):
    def call(self, inputs):
        return {"sum": self.left(inputs["a"]) + self.right(inputs["b"])}


class Arguments(Several):
    def call(self, a, b):
        return self.left(a) + self.right(b)


@pytest.mark.parametrize("cls", [List, Dictionary])
def test_several_inputs_keep_their_structure(cls):
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(16, n)).astype("float32") for n in (3, 5))
    x = [a, b] if cls is List else {"b": b, "a": a}
    model = cls()
    model(x)
    quantized = ko.quantize(model, "int8", x, verbose=0)
    outputs = [each.predict(x, verbose=0) for each in (quantized, convert(quantized))]
    expected, found = (each["sum"] if cls is Dictionary else each for each in outputs)
    np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())


def test_several_arguments_are_refused():
    model = Arguments()
    model(np.ones((2, 3), "float32"), np.ones((2, 5), "float32"))
    with pytest.raises(ValueError, match="several arguments.*one list or dictionary"):
        convert(ko.quantize(model, "int8_dynamic", verbose=0), "sparse")


class Positions(layers.Layer):
    """Adds normalized positions, which depend on no tensor."""

    def __init__(self):
        super().__init__()
        self.dense, self.norm = layers.Dense(8), layers.LayerNormalization()

    def build(self, shape):
        self.dense.build(shape)
        self.norm.build((*shape[:-1], 8))
        self.table = self.add_weight((5, 8), initializer="random_normal")

    def call(self, x):
        return self.dense(x) + self.norm(self.table) * keras.ops.convert_to_tensor(2.0)


@pytest.mark.filterwarnings("ignore:Parts of")
def test_constants_are_added_to_integers():
    inputs = keras.Input((5, 4))
    model = keras.Model(inputs, layers.Dense(3)(Positions()(inputs)))
    x = np.random.default_rng(0).normal(size=(16, 5, 4)).astype("float32")
    model = ko.quantize(model, "int8", x, verbose=0)
    integers = convert(model)
    assert "QuantizedAdd" in {type(layer).__name__ for layer in integers.layers}
    np.testing.assert_allclose(run(integers, x), run(model, x), atol=0.02)
