"""The models in the files beside: one that trains, one of a class of its own, one converted.

`python -m saved_files.models`, in `tests/`, wrote the files, before the modules of what they hold
moved. They stay as they are: that is what they are for.
"""

from pathlib import Path

import keras
import numpy as np

import kerasopt as ko
from kerasopt.inference.sparse import SparseConv2D, SparseDense

layers = keras.layers


@keras.saving.register_keras_serializable(package="saved_files")
class Classifier(keras.Model):
    """A subclassed model, whose parametrizations travel in its own config."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.convolution = layers.Conv2D(6, 3, activation="relu", name="convolution")
        self.recurrent = layers.LSTM(5, name="recurrent")
        self.logits = ko.layers.Dense(4, name="logits", weight_quantizer="binary")

    def call(self, inputs):
        rows = keras.ops.mean(self.convolution(inputs), axis=1)
        return self.logits(self.recurrent(rows))


def images(channels):
    return np.random.default_rng(0).normal(size=(32, 8, 8, channels)).astype("float32")


def rows():
    return np.random.default_rng(1).normal(size=(32, 12)).astype("float32")


def training(path):
    """A model in the middle of a training: masks, learned ranges, a snapshot, statistics."""
    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.SeparableConv2D(8, 3, name="separable")(inputs)
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x))
    x = layers.Reshape((36, 8), name="sequence")(x)
    x = layers.MultiHeadAttention(2, 4, name="attention")(x, x) + x
    x = layers.Flatten(name="flat")(x)
    outputs = ko.layers.Dense(4, name="logits", pruning=0.25)(x)
    model = keras.Model(inputs, outputs, name="training")
    rest, sparse = ("*", None), ko.callbacks.Pruning
    tickets = ko.schedules.Iterative(0.75, rounds=3, begin=0, end=8)
    _train(
        model,
        path,
        [
            sparse(0.5, regrowth=ko.sparsity.RigL(frequency=2), rules=[("separable", 0.5), rest]),
            sparse(tickets, rewind="init", rules=[("attention/*", tickets), rest]),
            ko.callbacks.QuantizationAware(
                weight_quantizer="lsq", activation_quantizer="lsq", rules=[("logits", None)]
            ),
            ko.callbacks.Compression(),
        ],
    )


def subclassed(path):
    """A subclassed model with 2:4 masks and quantizers of several widths."""
    model = Classifier(name="classifier")
    model(images(3))
    rules = [("convolution", ko.quantization.specs.get("int4"))]
    _train(
        model,
        path,
        [
            ko.callbacks.Pruning(0.5, pattern="2:4", rules=[("logits", None)]),
            ko.callbacks.QuantizationAware("int16x8", rules=[*rules, ("logits", None)]),
            ko.callbacks.Compression(),
        ],
    )


def converted(path):
    """A converted model with layers of all kinds: integer, binary, half, dynamic, held weights."""
    image = keras.Input((8, 8, 4), name="image")
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="convolution")(image)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.MaxPooling2D(name="maximum")(layers.BatchNormalization(name="norm")(x))
    x = layers.Add(name="add")([x, layers.Conv2D(8, 1, name="pointwise")(x)])
    x = layers.Activation("silu", name="silu")(layers.Conv2DTranspose(6, 2, 2, name="up")(x))
    gate = layers.GlobalAveragePooling2D(keepdims=True, name="global")(x)
    x = layers.AveragePooling2D(2, name="average")(layers.Multiply(name="gate")([x, gate]))
    x = layers.Reshape((16, 6), name="sequence")(x)
    x = layers.LayerNormalization(name="layer_norm")(layers.Dense(16, name="wide")(x))
    x = layers.Flatten(name="flat")(layers.MultiHeadAttention(2, 4, name="attention")(x, x))
    x = layers.Dense(64, name="binary")(x)
    x = layers.Dense(12, name="half")(x)
    row = keras.Input((12,), name="row")
    words = layers.Dense(8, name="words_1")(layers.Dense(8, name="words_0")(row))
    outputs = [
        layers.Dense(8, name="held")(layers.Dense(8, name="narrow")(x)),
        layers.Dense(8, name="dynamic")(row),
        layers.Add(name="words_add")([words, layers.Dense(8, name="words_2")(words)]),
    ]
    model = keras.Model([image, row], outputs, name="converted")
    _randomize(model)
    rules = [
        (name, ko.quantization.specs.get(spec))
        for name, spec in {
            "binary": "binary",
            "half": "float16",
            "dynamic": "int8_dynamic",
            "held": "int8_weight_only",
            "narrow": "int4",
            "words*": "int16x8",
        }.items()
    ]
    quantized = ko.quantize(model, "int8", inputs_of(model), rules=rules, verbose=0)
    integers = ko.convert(quantized)
    ko.save(_with_sparse(integers), path)


def _with_sparse(model):
    """Adds layers that `convert` chooses where they are faster, which no file may depend on."""
    image, row = model.inputs
    conv = SparseConv2D(8, (5, 1), activation="relu", name="sparse_pointwise")
    dense = SparseDense(8, (6, 1), name="sparse_dense")
    outputs = [*model.outputs, conv(image), dense(row)]
    conv.set_arrays(_spread(5, (1, 1, 4, 8)), np.arange(8) / 8)
    dense.set_arrays(_spread(6, (12, 8)), np.arange(8) / 8)
    return keras.Model(model.inputs, outputs, name="converted")


def _spread(count, shape):
    """A kernel with as many weights that are not zero."""
    kernel = np.zeros(np.prod(shape), "float32")
    kernel[:: len(kernel) // count][:count] = np.arange(1, count + 1) / 4
    return kernel.reshape(shape)


def _randomize(model):
    rng = np.random.default_rng(0)
    for variable in model.weights:
        values = rng.normal(size=variable.shape) * 0.3
        positive = "variance" in variable.path or "gamma" in variable.path
        variable.assign(np.abs(values) + 0.5 if positive else values)


def _train(model, path, callbacks):
    """Saves the model in the middle of a training."""
    _randomize(model)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss)
    save = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: ko.save(model, path, True) if epoch == 0 else None
    )
    options = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0}
    model.fit(images(3), np.arange(32) % 4, callbacks=[*callbacks, save], **options)


def inputs_of(model):
    """What a model of these is called with."""
    return [images(4), rows()] if model.name == "converted" else images(3)


def values(model):
    """All that a model holds, and what it computes, as arrays under names that do not change."""
    outputs = keras.tree.flatten(model(inputs_of(model)))
    optimizer = getattr(model, "optimizer", None)
    groups = {
        "weight": model.weights,
        "slot": [] if optimizer is None else optimizer.variables,
        "output": outputs,
    }
    return {
        f"{group}_{number}": keras.ops.convert_to_numpy(value)
        for group, members in groups.items()
        for number, value in enumerate(members)
    }


FILES = {"training": training, "subclassed": subclassed, "converted": converted}
FOLDER = Path(__file__).parent

if __name__ == "__main__":
    for name, write in FILES.items():
        path = FOLDER / f"{name}.keras"
        write(path)
        np.savez_compressed(FOLDER / f"{name}.npz", **values(keras.models.load_model(path)))
