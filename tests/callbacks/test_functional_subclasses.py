"""Functional models with an `__init__` of their own, as keras-hub builds them."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasopt as ko


@keras.saving.register_keras_serializable("tests_functional_subclasses")
class Block(layers.Layer):
    """A composite whose name is another than that of its config, and which hides a layer."""

    def __init__(self, name=None, **kwargs):
        super().__init__(name=name and f"{name}_block", **kwargs)
        self._self_projection = layers.Dense(4)
        self.output_dense = layers.Dense(4)

    def build(self, shape):
        self._self_projection.build(shape)
        self.output_dense.build(shape)

    def call(self, x):
        return self.output_dense(keras.ops.relu(self._self_projection(x)))


@keras.saving.register_keras_serializable("tests_functional_subclasses")
class Backbone(keras.Model):
    """Keeps its layers as attributes, in another order than that of the graph."""

    def __init__(self, dim=6, **kwargs):
        first, second = layers.Dense(dim, name="first"), layers.Dense(4)
        self.second, self.first, self.dim = second, first, dim
        self.block = Block(name="inner")
        inputs = keras.Input((4,))
        hidden = first(inputs)
        outputs = self.block(second(hidden) + second(hidden * 0.5))
        super().__init__(inputs, outputs, **kwargs)

    def get_config(self):
        return {"name": self.name, "trainable": self.trainable, "dim": self.dim}


@keras.saving.register_keras_serializable("tests_functional_subclasses")
class Task(keras.Model):
    """Holds a backbone, calls it, and shares a layer with it."""

    def __init__(self, backbone, **kwargs):
        self.backbone = backbone
        hidden = keras.ops.concatenate([backbone(backbone.input)] * 2, axis=-1)[..., :6]
        outputs = backbone.second(hidden)
        super().__init__(backbone.input, layers.Dense(2, name="head")(outputs), **kwargs)

    def get_config(self):
        config = keras.saving.serialize_keras_object(self.backbone)
        return {"name": self.name, "backbone": config}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        return cls(keras.saving.deserialize_keras_object(config.pop("backbone")), **config)


X = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
MODELS = {"backbone": Backbone, "task": lambda: Task(Backbone())}
LEARNED = {"weight_quantizer": "lsq", "activation_quantizer": "lsq"}


def trained(make, **arguments):
    keras.utils.set_random_seed(0)
    model = make()
    model.compile("adam", "mse", jit_compile=False)
    target = np.zeros((16, *model.output_shape[1:]), "float32")
    pruning = ko.callbacks.Pruning(0.5)
    quantization = ko.callbacks.QuantizationAware("int8", begin=2, **arguments)
    model.fit(X, target, epochs=4, verbose=0, callbacks=[pruning, quantization])
    return model


def assert_same_optimizer(model, other):
    for slot, loaded in zip(model.optimizer.variables, other.optimizer.variables, strict=True):
        np.testing.assert_array_equal(slot.numpy(), loaded.numpy())


def loaded(model, directory):
    model.save(directory / "it.keras")
    return keras.models.load_model(directory / "it.keras")


@pytest.mark.filterwarnings("ignore:Parts of")
@pytest.mark.parametrize(("case", "arguments"), [("backbone", LEARNED), ("task", {})])
def test_a_compressed_model_is_saved_converted_and_finalized(case, arguments, tmp_path):
    model = trained(MODELS[case], **arguments)
    expected = model.predict(X, verbose=0)
    again = loaded(model, tmp_path)
    np.testing.assert_array_equal(again.predict(X, verbose=0), expected)
    assert_same_optimizer(model, again)
    integers = ko.convert(again)
    found = integers.predict(X, verbose=0)
    assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max()
    np.testing.assert_array_equal(loaded(integers, tmp_path).predict(X, verbose=0), found)

    ko.finalize(model, verbose=False)
    plain = [variable.shape for variable in MODELS[case]().trainable_variables]
    assert [variable.shape for variable in model.trainable_variables] == plain
    again = loaded(model, tmp_path)
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    assert_same_optimizer(model, again)
    kernels = [variable.numpy() for variable in model.weights if len(variable.shape) == 2]
    assert len(kernels) == 4 + (case == "task")
    assert sum((kernel == 0).sum() for kernel in kernels) == sum(x.size for x in kernels) // 2


@pytest.mark.parametrize("case", MODELS)
def test_post_training_quantization_exchanges_no_weights(case):
    keras.utils.set_random_seed(0)
    model = MODELS[case]()
    quantized = ko.quantize(model, "int8", X, verbose=0)
    assert isinstance(quantized, type(model))
    expected = model.predict(X, verbose=0)
    error = np.abs(quantized.predict(X, verbose=0) - expected).max()
    assert error < 0.05 * np.abs(expected).max()
    ko.finalize(quantized, verbose=False)
    for weight, other in zip(model.weights, quantized.weights, strict=True):
        assert weight.path == other.path
        np.testing.assert_allclose(weight, other, atol=0.01)
