import keras
import numpy as np
import pytest
from keras import layers

from kerasopt import ops
from kerasopt.inference import Affine
from kerasopt.inference.integer.add import QuantizedAdd
from kerasopt.inference.integer.boundaries import Dequantize, Quantize
from kerasopt.inference.integer.convolutions import QuantizedConv2D, QuantizedDepthwiseConv2D
from kerasopt.inference.integer.dense import QuantizedDense
from kerasopt.inference.integer.global_average_pooling import QuantizedGlobalAveragePooling2D

X, Y, Z = Affine(0.05, -3), Affine(0.1, 7), Affine(0.2, -128)

LAYERS = {
    "conv": lambda: QuantizedConv2D(
        6, 3, strides=2, padding="same", input_affine=X, output_affine=Y
    ),
    "dilated": lambda: QuantizedConv2D(
        6, (2, 3), dilation_rate=2, input_affine=X, output_affine=Y, output_min=7
    ),
    "depthwise": lambda: QuantizedDepthwiseConv2D(
        3, depth_multiplier=2, strides=2, input_affine=X, output_affine=Y
    ),
    "dense": lambda: QuantizedDense(5, input_affine=X, output_affine=Y, output_max=90),
    "mean": lambda: QuantizedGlobalAveragePooling2D(input_affine=X, output_affine=Y),
    "mean_keepdims": lambda: QuantizedGlobalAveragePooling2D(
        input_affine=X, output_affine=Y, keepdims=True
    ),
    "dequantize": lambda: Dequantize(input_affine=X),
}


def integers(shape=(2, 9, 8, 4), seed=0):
    return np.random.default_rng(seed).integers(-128, 128, shape).astype("int8")


def filled(layer, x):
    """Builds `layer` for `x` and gives it random weights."""
    if not layer.built:
        layer.build(x.shape)
    if hasattr(layer, "kernel"):
        generator = np.random.default_rng(1)
        channels = layer.bias.shape
        layer.set_arrays(
            generator.integers(-127, 128, layer.kernel.shape),
            generator.integers(-500, 500, channels),
            generator.uniform(1e-3, 1e-2, channels),
        )
    return layer


@pytest.mark.parametrize("name", LAYERS)
def test_symbolic_and_computed_outputs_agree(name):
    x = integers()
    layer = filled(LAYERS[name](), x)
    symbolic = layer(keras.Input(batch_shape=x.shape, dtype="int8"))
    found = layer(x)
    assert symbolic.shape == tuple(found.shape)
    assert symbolic.dtype == keras.backend.standardize_dtype(found.dtype)
    unknown = layer(keras.Input((None, None, 4), dtype="int8"))
    assert len(unknown.shape) == len(found.shape) and unknown.shape[-1] == found.shape[-1]


@pytest.mark.parametrize("name", ["conv", "dilated", "depthwise", "dense"])
def test_layers_without_weights_yet_give_their_zero_point(name):
    assert (np.asarray(LAYERS[name]()(integers())) == Y.zero_point).all()


@pytest.mark.parametrize("name", LAYERS)
def test_saved_layers_load_equal(name, tmp_path):
    x = integers()
    inputs = keras.Input(x.shape[1:], dtype="int8")
    layer = LAYERS[name]()
    model = keras.Model(inputs, layer(inputs))
    filled(layer, x)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(loaded(x)), np.asarray(model(x)))
    assert loaded.layers[-1].get_config() == layer.get_config()


def test_add_saves_and_computes(tmp_path):
    inputs = [keras.Input((4, 3), dtype="int8"), keras.Input((4, 3), dtype="int8")]
    layer = QuantizedAdd(input_affine=(X, Y), output_affine=Z, output_max=100)
    model = keras.Model(inputs, layer(inputs))
    x = [integers((5, 4, 3), seed) for seed in (0, 1)]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(loaded(x)), np.asarray(model(x)))
    real = 0.05 * (x[0].astype(float) + 3) + 0.1 * (x[1].astype(float) - 7)
    expected = np.clip(np.rint(real / 0.2) - 128, -128, 100)
    assert np.abs(np.asarray(model(x)) - expected).max() <= 1


def test_quantize_rounds_as_the_op_and_survives_float16():
    x = np.array([[0.31, -9e9, np.inf, np.nan]], "float32")
    layer = Quantize(output_affine=X)
    np.testing.assert_array_equal(np.asarray(layer(x)), [[3, -128, 127, -3]])
    np.testing.assert_array_equal(
        np.asarray(layer(x)), np.asarray(ops.quantize(x, np.float32(0.05), -3))
    )
    assert keras.backend.standardize_dtype(layer(x.astype("float16")).dtype) == "int8"


def test_integer_convolutions_compute_the_float_ones():
    x = integers()
    layer = filled(LAYERS["conv"](), x)
    reference = layers.Conv2D(6, 3, strides=2, padding="same")
    reference.build(x.shape)
    scale = layer.kernel_scale.numpy()
    reference.set_weights([layer.kernel.numpy() * scale, layer.bias.numpy() * scale * 0.05])
    expected = np.asarray(reference((x.astype("float32") + 3) * 0.05))
    found = (np.asarray(layer(x)).astype("float32") - 7) * 0.1
    inside = np.abs(found - 0.1 * (127 - 7)) > 0.1
    inside &= np.abs(found - 0.1 * (-128 - 7)) > 0.1
    assert inside.mean() > 0.5
    assert np.abs(found - expected)[inside].max() <= 0.051


@pytest.mark.parametrize("scale", [np.nan, np.inf, 0.0, -0.1, 1e-60])
def test_scales_are_checked(scale):
    with pytest.raises(ValueError, match="`scale` must be positive and finite"):
        Affine(scale, 0)
    layer = LAYERS["dense"]()
    layer.build((None, 4))
    scales = np.array([1.0, 1.0, scale, 1.0, 1.0])
    with pytest.raises(ValueError, match="`kernel_scale` .* channel 2"):
        layer.set_arrays(np.zeros((4, 5)), np.zeros(5), scales)


def test_a_multiplier_that_overflows_is_found():
    layer = QuantizedDense(1, input_affine=Affine(1e30, 0), output_affine=Affine(1e-3, 0))
    layer.build((None, 4))
    with pytest.raises(ValueError, match="`multiplier`"):
        layer.set_arrays(np.zeros((4, 1)), np.zeros(1), np.array([1e30]))


def test_damaged_scales_in_a_file_raise(tmp_path):
    inputs = keras.Input((4,), dtype="int8")
    layer = LAYERS["dense"]()
    model = keras.Model(inputs, layer(inputs))
    layer.kernel_scale.assign([1.0, np.nan, 1.0, 1.0, 1.0])
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="`kernel_scale`"):
        keras.models.load_model(tmp_path / "model.keras")


@pytest.mark.parametrize("zero_point", [128, -129, 0.5])
def test_zero_points_are_checked(zero_point):
    with pytest.raises(ValueError, match="`zero_point`"):
        Affine(0.1, zero_point)


def test_output_ranges_are_checked():
    with pytest.raises(ValueError, match="output_min"):
        QuantizedDense(2, input_affine=X, output_affine=Y, output_min=3, output_max=2)


def test_nothing_trains_and_keras_quantize_raises():
    layer = filled(LAYERS["dense"](), integers((2, 4)))
    assert not layer.trainable_weights and layer.count_params() > 0
    with pytest.raises(ValueError, match="already converted"):
        layer.quantize("int8")


def test_a_config_without_scales_names_the_layer_and_what_is_missing():
    config = QuantizedDense(5, input_affine=X, output_affine=Y, name="top").get_config()
    del config["input_affine"]
    with pytest.raises(ValueError, match=r"Layer 'top' \(QuantizedDense\) needs `input_affine`"):
        QuantizedDense.from_config(config)
    with pytest.raises(ValueError, match="needs `output_affine`"):
        Quantize()


@pytest.mark.parametrize("arguments", [{"weight_format": "4x1"}, {"entries": (3, 1)}])
def test_sparse_layers_need_both_their_format_and_their_entries(arguments):
    with pytest.raises(ValueError, match="has `entries`. Received"):
        QuantizedDense(4, input_affine=Affine(1.0, 0), output_affine=Affine(1.0, 0), **arguments)
