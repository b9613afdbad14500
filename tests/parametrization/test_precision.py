import keras
import numpy as np
import pytest
from parametrization.links import Scaled, Shifted

import kerasopt as ko
from kerasopt.quantization import WeightQuantizer


class Noting(ko.parametrization.Parametrization):
    """Notes the dtype that links are given."""

    def call(self, inputs):
        self.dtypes = [*getattr(self, "dtypes", []), keras.backend.standardize_dtype(inputs.dtype)]
        return inputs


@pytest.fixture(params=["mixed_float16", "mixed_bfloat16"])
def layer(request):
    keras.utils.set_random_seed(0)
    layer = keras.layers.Dense(64, use_bias=False, dtype=request.param)
    layer.build((None, 64))
    return layer


def test_the_chain_computes_in_float32_and_is_cast_once(layer):
    link = Noting()
    ko.parametrize(layer, "kernel", link)
    layer(np.ones((1, 64)))
    assert set(link.dtypes) == {"float32"}


def test_codes_are_those_of_float32(layer):
    """A chain that saw the cast weight would give 1 to 10 % of them another code."""
    stored = layer.kernel.numpy()
    ko.parametrize(layer, "kernel", WeightQuantizer())
    scale = np.abs(stored).max(0) * np.float32(1 / 127)
    expected = np.round(stored / scale) * scale
    # Identity in, so what comes out is the kernel as the layer computes with it.
    read = keras.ops.convert_to_numpy(layer(np.eye(64))).astype("float32")
    np.testing.assert_array_equal(np.round(read / scale), np.round(expected / scale))


def test_state_of_a_link_is_not_cast(layer):
    stored = layer.kernel.numpy()
    ko.parametrize(layer, "kernel", Scaled(1 / 3))
    expected = keras.ops.cast(stored * np.float32(1 / 3), layer.compute_dtype)
    read = keras.ops.convert_to_numpy(layer(np.eye(64)))
    np.testing.assert_array_equal(read, keras.ops.convert_to_numpy(expected))


def test_activations_keep_the_dtype_of_the_policy(layer):
    dtype = layer(np.ones((1, 64))).dtype
    for slot in ("input", "output"):
        ko.parametrize(layer, slot, Shifted())
    assert layer(np.ones((1, 64))).dtype == dtype
