"""Bad input to the native ops raises an error and never crashes."""

import numpy as np
import pytest
import tensorflow as tf

from kerasopt import ops
from kerasopt.ops import native

# What packs a kernel refuses one that is none; the native ops refuse all else.
REFUSALS = (tf.errors.InvalidArgumentError, ValueError)
ZERO_POINTS = {"input_zero_point": 0, "output_zero_point": 0}


def contraction_inputs(**changed):
    """Valid inputs of a convolution but for `changed`, as tensors, which TensorFlow never casts."""
    inputs = {
        "x": np.zeros((2, 5, 5, 3), "int8"),
        "kernel": np.zeros((3, 3, 3, 4), "int8"),
        "bias": np.zeros(4, "int32"),
        "multiplier": np.ones(4, "float32"),
    }
    return as_tensors({**inputs, **changed})


def as_tensors(inputs):
    return {name: tf.constant(value) for name, value in inputs.items()}


BAD_CONTRACTION_INPUTS = [
    {"x": np.zeros((2, 5, 5, 3), "float32")},
    {"x": np.zeros((5, 3), "int8")},
    {"x": np.zeros((2, 5, 5, 2), "int8")},
    {"x": np.zeros((2, 2, 2, 3), "int8")},
    {"x": np.zeros((2, 0, 5, 3), "int8")},
    {"kernel": np.zeros((3, 3, 3, 4), "int32")},
    {"kernel": np.zeros((3, 4), "int8")},
    {"kernel": np.zeros((0, 3, 3, 4), "int8")},
    {"bias": np.zeros(4, "float32")},
    {"bias": np.zeros(3, "int32")},
    {"bias": np.zeros((4, 1), "int32")},
    {"multiplier": np.ones(5, "float32")},
    {"multiplier": np.array([1, np.nan, 1, 1], "float32")},
    {"multiplier": np.array([1, np.inf, 1, 1], "float32")},
    {"multiplier": np.array([1, 0, 1, 1], "float32")},
    {"multiplier": np.array([1, -1, 1, 1], "float32")},
]


@pytest.mark.parametrize("changed", BAD_CONTRACTION_INPUTS)
def test_convolution(changed):
    with pytest.raises(REFUSALS):
        ops.quantized_conv2d(**contraction_inputs(**changed), **ZERO_POINTS)


@pytest.mark.parametrize("changed", BAD_CONTRACTION_INPUTS)
def test_depthwise_convolution(changed):
    inputs = contraction_inputs(kernel=np.zeros((3, 3, 3, 1), "int8"))
    inputs |= {"bias": np.zeros(3, "int32"), "multiplier": np.ones(3, "float32")}
    if "bias" in changed and changed["bias"].shape == (3,):
        changed = {"bias": np.zeros(2, "int32")}
    with pytest.raises(REFUSALS):
        ops.quantized_depthwise_conv2d(**as_tensors({**inputs, **changed}), **ZERO_POINTS)


@pytest.mark.parametrize(
    "changed",
    [
        {"x": np.zeros(3, "int8")},
        {"x": np.zeros((2, 4), "int8")},
        {"x": np.zeros((2, 3), "uint8")},
        {"kernel": np.zeros(3, "int8")},
        {"x": np.zeros((2, 0), "int8"), "kernel": np.zeros((0, 4), "int8")},
        {"multiplier": np.array([1, np.nan, 1, 1], "float32")},
    ],
)
def test_matmul(changed):
    inputs = contraction_inputs(x=np.zeros((2, 3), "int8"), kernel=np.zeros((3, 4), "int8"))
    with pytest.raises(REFUSALS):
        ops.quantized_matmul(**as_tensors({**inputs, **changed}), **ZERO_POINTS)


def test_weights_of_another_size():
    library, x = native.load(), tf.zeros((2, 3), "int8")
    for shape in ((64,), (64 + 4 * 8 + 1,), (1, 64 + 4 * 8)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="weights"):
            library.kerasopt_quantized_mat_mul(
                x, tf.ones(shape, "int8"), kernel_shape=(3, 4), **ZERO_POINTS
            )
    for kernel_shape in ((3,), (3, 0), (-3, 4), (2, 4)):
        with pytest.raises(tf.errors.InvalidArgumentError):
            library.kerasopt_quantized_mat_mul(
                x, tf.ones(64 + 4 * 8, "int8"), kernel_shape=kernel_shape, **ZERO_POINTS
            )


@pytest.mark.parametrize("pads", [(1, 0, 0), (0, 0, 0, -1), (0, 1 << 40, 0, 0)])
def test_padding_in_pixels(pads):
    packed = ops.PackedWeights.pack(*list(contraction_inputs().values())[1:])
    with pytest.raises(tf.errors.InvalidArgumentError, match="pads"):
        native.load().kerasopt_quantized_conv2d(
            tf.zeros((2, 5, 5, 3), "int8"),
            packed.values,
            kernel_shape=packed.shape,
            pads=pads,
            **ZERO_POINTS,
        )
    for padding in (((1, 0), (0, -1)), ((1, 0),), 3, ((1, 0, 0), (1, 2, 3))):
        with pytest.raises(ValueError, match="`padding` must be.*Received: padding="):
            ops.quantized_conv2d(**contraction_inputs(), padding=padding, **ZERO_POINTS)


def test_a_dilation_that_needs_more_memory_than_there_is():
    with pytest.raises(tf.errors.InvalidArgumentError, match="reach beyond the input"):
        ops.quantized_conv2d(
            **contraction_inputs(), padding="same", dilation_rate=1 << 30, **ZERO_POINTS
        )


def test_empty_batch_gives_an_empty_result():
    x = np.zeros((0, 5, 5, 3), "int8")
    y = ops.quantized_conv2d(**contraction_inputs(x=x), **ZERO_POINTS)
    assert y.shape == (0, 3, 3, 4)
    mean = ops.quantized_mean(
        x, input_scale=1.0, output_scale=1.0, input_zero_point=0, output_zero_point=0
    )
    assert mean.shape == (0, 3)


@pytest.mark.parametrize("op", [ops.quantized_add, ops.quantized_multiply])
def test_pairs(op):
    x = np.zeros((2, 3), "int8")
    scales = {"scale0": 1.0, "scale1": 1.0, "output_scale": 1.0}
    zero_points = {"zero_point0": 0, "zero_point1": 0, "output_zero_point": 0}
    for other in (np.zeros((2, 4), "int8"), np.zeros((2, 3), "int32"), np.zeros((3, 2, 2), "int8")):
        with pytest.raises(tf.errors.InvalidArgumentError):
            op(x, tf.constant(other), **scales, **zero_points)
        with pytest.raises((*REFUSALS, TypeError)):
            tf.function(op)(x, tf.constant(other), **scales, **zero_points)


@pytest.mark.parametrize(
    "shapes",
    [((3,), (3,)), ((2, 3), (2, 3)), ((2, 3), (1, 3, 2)), ((2, 2, 3), (3, 3, 2)), ((), ())],
)
def test_matrices(shapes):
    x0, x1 = (tf.zeros(shape, "int8") for shape in shapes)
    scales = {"scale0": 1.0, "scale1": 1.0, "output_scale": 1.0}
    zero_points = {"zero_point0": 0, "zero_point1": 0, "output_zero_point": 0}
    op = ops.quantized_batch_matmul
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Received: x0.shape="):
        op(x0, x1, **scales, **zero_points)
    with pytest.raises(REFUSALS):
        tf.function(op)(x0, x1, **scales, **zero_points)


BAD_IMAGES = [np.zeros((2, 3), "int8"), np.zeros((2, 0, 3, 1), "int8"), np.zeros((2, 3, 3, 1))]


@pytest.mark.parametrize("image", BAD_IMAGES, ids=lambda image: f"{image.dtype}{image.shape}")
def test_averages_and_largest_values(image):
    scales = {"input_scale": 1.0, "output_scale": 1.0}
    image = tf.constant(image)
    with pytest.raises(tf.errors.InvalidArgumentError):
        ops.quantized_mean(image, **scales, **ZERO_POINTS)
    for padding in ("same", "valid"):
        window = {"pool_size": 2, "strides": 1, "padding": padding}
        with pytest.raises(tf.errors.InvalidArgumentError):
            ops.quantized_average_pool(image, **window, **scales, **ZERO_POINTS)
        with pytest.raises(tf.errors.InvalidArgumentError):
            ops.max_pool(image, **window)


@pytest.mark.parametrize(
    "arguments, name",
    [
        ({"pool_size": 0}, "pool_size"),
        ({"strides": (1, -1)}, "strides"),
        ({"padding": 1}, "padding"),
    ],
)
def test_pools(arguments, name):
    x, arguments = np.zeros((1, 4, 4, 2), "int8"), {"pool_size": 2, "strides": 1} | arguments
    with pytest.raises(ValueError, match=f"`{name}` must be .*Received: {name}="):
        ops.max_pool(x, **arguments)
    with pytest.raises((tf.errors.InvalidArgumentError, TypeError)):
        window = {"padding": "valid", "pool_size": [2, 2], "strides": [1, 1]}
        native.load().kerasopt_max_pool(x, **window | {name: [0, 1]})


def test_a_window_that_covers_far_more_than_the_image():
    x = np.arange(-6, 6).astype("int8").reshape((1, 3, 4, 1))
    y = ops.max_pool(x, pool_size=2**20, strides=2**20, padding="same")
    np.testing.assert_array_equal(y, np.full((1, 1, 1, 1), 5))
    with pytest.raises(tf.errors.InvalidArgumentError):
        ops.max_pool(x, pool_size=2**21, strides=1, padding="same")


EXPONENTIALS = ops.exponentials(0.1)


@pytest.mark.parametrize(
    "op, inputs",
    [
        (ops.look_up, {"x": np.zeros(3, "int32")}),
        (ops.look_up, {"table": np.zeros(256, "int32")}),
        (ops.look_up, {"table": np.zeros(255, "int8")}),
        (ops.look_up, {"table": np.zeros((256, 1), "int8")}),
        (ops.quantized_softmax, {"x": np.zeros((), "int8")}),
        (ops.quantized_softmax, {"x": np.zeros((1, 2**19), "int8")}),
        (ops.quantized_softmax, {"x": np.zeros(3, "float32")}),
        (ops.quantized_softmax, {"table": EXPONENTIALS[:255]}),
        (ops.quantized_softmax, {"table": EXPONENTIALS.astype("float32")}),
        (ops.quantized_softmax, {"table": EXPONENTIALS * 2}),
        (ops.quantized_softmax, {"table": -EXPONENTIALS}),
        (ops.quantized_softmax, {"table": np.append(EXPONENTIALS[:255], -1).astype("int32")}),
    ],
)
def test_functions(op, inputs):
    table = np.zeros(256, "int8") if op is ops.look_up else EXPONENTIALS
    inputs = as_tensors({"x": np.zeros((2, 3), "int8"), "table": table} | inputs)
    with pytest.raises(tf.errors.InvalidArgumentError):
        op(**inputs)
    with pytest.raises((*REFUSALS, TypeError)):
        tf.function(op)(**inputs)


@pytest.mark.parametrize(
    "changed",
    [
        {"x": np.zeros((), "int8")},
        {"x": np.zeros((2, 4), "int8")},
        {"x": np.zeros((2, 3), "int32")},
        {"gain": np.zeros((3, 1), "float32")},
        {"gain": np.zeros(3, "float64")},
        {"gain": np.array([1, np.nan, 1], "float32")},
        {"gain": np.array([1, np.inf, 1], "float32")},
        {"offset": np.zeros(4, "int32")},
        {"offset": np.zeros(3, "float32")},
        {"x": np.zeros((1, 32769), "int8"), "gain": np.zeros(32769, "float32")}
        | {"offset": np.zeros(32769, "int32")},
    ],
    ids=lambda changed: "-".join(changed),
)
def test_layer_normalization(changed):
    inputs = {"x": np.zeros((2, 3), "int8"), "gain": np.ones(3, "float32")}
    inputs = as_tensors(inputs | {"offset": np.zeros(3, "int32")} | changed)
    with pytest.raises(tf.errors.InvalidArgumentError):
        ops.quantized_layer_normalization(**inputs, epsilon=1.0, output_zero_point=0)


@pytest.mark.parametrize("epsilon", [-1.0, np.nan, np.inf])
def test_epsilon(epsilon):
    inputs = np.zeros((2, 3), "int8"), np.ones(3, "float32"), np.zeros(3, "int32")
    arguments = {"epsilon": epsilon, "output_zero_point": 0}
    with pytest.raises(ValueError, match="`epsilon` must be finite.*Received: epsilon="):
        ops.quantized_layer_normalization(*inputs, **arguments)
    with pytest.raises(tf.errors.InvalidArgumentError, match="epsilon must be finite"):
        native.load().kerasopt_quantized_layer_normalization(*inputs, **arguments)


@pytest.mark.parametrize(
    "scale", [0.0, np.zeros(4), -1.0, np.nan, np.inf, np.ones(3), np.ones((4, 4))]
)
def test_scales(scale):
    x, scale = np.zeros((2, 4), "float32"), np.asarray(scale, "float32")
    with pytest.raises(tf.errors.InvalidArgumentError):
        ops.quantize(x, scale, 0)
    if scale.size == 3 or scale.ndim == 2:  # values are computed with; see test_affine.py
        with pytest.raises(tf.errors.InvalidArgumentError):
            ops.fake_quantize(x, scale)


def test_fake_quantize_zero_points():
    x, scale, zero_points = np.zeros((2, 4), "float32"), np.float32(1.0), np.zeros(3, "float32")
    with pytest.raises(tf.errors.InvalidArgumentError):
        ops.fake_quantize(x, scale, zero_points)
    with pytest.raises(tf.errors.InvalidArgumentError):
        ops.fake_quantize(x, np.float32(0.0), zero_points)


@pytest.mark.parametrize(
    "arguments",
    [
        {"upstream": np.zeros((2, 3), "float32")},
        {"scale": np.ones(3, "float32")},
        {"zero_point": np.ones(3, "float32")},
        {"upstream": np.zeros((2, 3), "float32"), "scale": np.float32(0.0)},
    ],
    ids=str,
)
def test_gradients_of_a_learned_scale(arguments):
    x = np.zeros((2, 4), "float32")
    with pytest.raises(tf.errors.InvalidArgumentError):
        ops.learned_scale_gradients(**{"upstream": x, "x": x, "scale": np.float32(1)} | arguments)


def test_min_max_of_nothing():
    with pytest.raises(tf.errors.InvalidArgumentError):
        ops.min_max(np.zeros((0, 3), "float32"))


@pytest.mark.parametrize(
    "attributes",
    [{"output_max": 128}, {"input_zero_point": -129}, {"output_min": 5, "output_max": 4}],
)
def test_attributes_are_checked_by_the_facade_and_by_the_op(attributes):
    inputs = contraction_inputs(x=np.zeros((2, 3), "int8"), kernel=np.zeros((3, 4), "int8"))
    with pytest.raises(ValueError, match="Received: "):
        ops.quantized_matmul(**inputs, **{**ZERO_POINTS, **attributes})
    with pytest.raises(tf.errors.InvalidArgumentError):
        packed = ops.PackedWeights.pack(inputs["kernel"], inputs["bias"], inputs["multiplier"])
        native.load().kerasopt_quantized_mat_mul(
            inputs["x"], packed.values, kernel_shape=packed.shape, **{**ZERO_POINTS, **attributes}
        )


@pytest.mark.parametrize(
    "arguments, name",
    [
        ({"strides": 0}, "strides"),
        ({"strides": (1, 2, 3)}, "strides"),
        ({"dilation_rate": -1}, "dilation_rate"),
        ({"padding": "full"}, "padding"),
    ],
)
def test_windows(arguments, name):
    with pytest.raises(ValueError, match=f"`{name}` must be .*Received: {name}="):
        ops.quantized_conv2d(**contraction_inputs(), **ZERO_POINTS, **arguments)


def test_python_scales_and_formats():
    image = np.zeros((1, 2, 2, 1), "int8")
    for scale in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="`input_scale` must be positive and finite"):
            ops.quantized_mean(image, input_scale=scale, output_scale=1.0, **ZERO_POINTS)
    x = np.zeros(3, "float32")
    with pytest.raises(ValueError, match="`dtype` must be one of"):
        ops.quantize(x, 1.0, 0, dtype="int3")
    with pytest.raises(ValueError, match="`zero_point` must be an integer"):
        ops.quantize(x, 1.0, 200)
    with pytest.raises(ValueError, match="`qmin` must be smaller"):
        ops.fake_quantize(x, 1.0, qmin=3, qmax=3)
