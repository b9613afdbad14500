"""Float layers with sparse kernels."""

import keras
import numpy as np
import pytest

from kerasopt.inference.sparse import SparseConv2D, SparseDense

LAYERS = {"dense": SparseDense, "conv": SparseConv2D}
SHAPES = {"dense": (6, 4), "conv": (1, 1, 6, 4)}


def filled(name):
    """A layer with 3 weights that are not zero, and its kernel and bias."""
    kernel = np.zeros(SHAPES[name], "float32")
    kernel.reshape(6, 4)[[0, 2, 5], [1, 3, 0]] = 1.5, -2.0, 0.5
    bias = np.arange(4, dtype="float32")
    layer = LAYERS[name](4, (3, 1), activation="relu")
    layer.build((None, *SHAPES[name][:-1]))
    layer.set_arrays(kernel, bias)
    return layer, kernel.reshape(6, 4), bias


@pytest.mark.parametrize("name", LAYERS)
def test_compute_the_dense_product_and_hold_the_dense_kernel(name):
    layer, kernel, bias = filled(name)
    x = np.random.default_rng(0).normal(size=(2, 3, 3, 6)).astype("float32")
    np.testing.assert_allclose(layer(x), np.maximum(x @ kernel + bias, 0), rtol=1e-5)
    np.testing.assert_array_equal(layer.kernel.numpy().reshape(6, 4), kernel)
    assert layer.compute_output_shape(x.shape) == (2, 3, 3, 4)


@pytest.mark.parametrize("name", LAYERS)
def test_load_equal_from_a_file(name, tmp_path):
    layer, *_ = filled(name)
    inputs = keras.Input((3, 3, 6))
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[1].get_config() == layer.get_config()
    np.testing.assert_array_equal(loaded.layers[1].packed.values, layer.packed.values)


def test_filters_were_called_units_in_earlier_files():
    config = filled("conv")[0].get_config()
    earlier = {**config, "units": config["filters"]}
    del earlier["filters"]
    assert SparseConv2D.from_config(earlier).get_config() == config


def test_pass_masks_on_as_dense_layers_do():
    inputs = keras.Input((5,))
    embedded = keras.layers.Embedding(9, 6, mask_zero=True)(inputs)
    for layer in (SparseDense(4, (3, 1)), keras.layers.Dense(4)):
        assert layer(embedded)._keras_mask is not None
