"""Tables, softmax, products, pooling and normalizations: every path gives the formula's bits."""

import hypothesis
import hypothesis.strategies as st
import keras
import numpy as np
import pytest
import tensorflow as tf
from ops.paths import assert_same_bits, integers

from kerasopt import ops

REFUSALS = (ValueError, tf.errors.InvalidArgumentError)
# Each example is compiled several times.
few = hypothesis.settings(max_examples=4, deadline=None, derandomize=True)
int8 = st.one_of(st.sampled_from([-128, 0, 127]), st.integers(-128, 127))
scales = st.floats(1e-3, 1.0)
seeds = st.integers(0, 2**32 - 1)
windows = st.tuples(
    seeds,
    st.tuples(st.integers(3, 9), st.integers(3, 9)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.sampled_from(["same", "valid"]),
)


def rounded(values, multiplier, zero_point):
    """The requantization that all share, of int64 sums."""
    assert np.abs(values).max(initial=0) < 2**31
    q = np.rint(values.astype("float32") * multiplier) + zero_point
    return np.clip(q, -128, 127)


@few
@hypothesis.given(seed=seeds, shape=st.lists(st.integers(0, 5), max_size=4).map(tuple))
def test_look_up_takes_from_a_table(seed, shape):
    rng = np.random.default_rng(seed)
    x, table = integers(rng, shape), integers(rng, 256)
    y = assert_same_bits(ops.look_up, x, table)
    np.testing.assert_array_equal(y, table[x.astype(int) + 128])


@few
@hypothesis.given(seed=seeds, size=st.integers(1, 1500), scale=st.floats(1e-4, 2.0))
def test_softmax(seed, size, scale):
    x = integers(np.random.default_rng(seed), (3, size))
    table = ops.exponentials(scale)
    y = assert_same_bits(ops.quantized_softmax, x, table).astype("float64")
    real = np.exp(scale * (x.astype("float64") - x.max(-1, keepdims=True)))
    real /= real.sum(-1, keepdims=True)
    # At an exact half of a step either integer is right.
    assert np.abs(np.minimum(256 * real - 128, 127) - y).max() <= 0.501
    assert y.max() <= 127 and y.min() >= -128


@pytest.mark.parametrize("size", [1, 7, 5000])
def test_softmax_of_equal_values_is_even(size):
    x = np.full((2, size), -5, "int8")
    y = np.asarray(ops.quantized_softmax(x, ops.exponentials(0.1)))
    np.testing.assert_array_equal(y, np.minimum(np.rint(256 / size) - 128, 127))


@few
@hypothesis.given(
    seed=seeds,
    shapes=st.sampled_from(
        [
            ((3, 4, 5), (4, 1)),
            ((2, 7, 5, 70), (2, 1, 1, 70)),
            ((), (3, 1)),
            ((4, 9), (4, 9)),
            ((0, 3), (1, 3)),
        ]
    ),
    scales=st.tuples(scales, scales),
    points=st.tuples(int8, int8, int8),
    output_range=st.tuples(int8, int8).map(sorted),
)
def test_products_of_values(seed, shapes, scales, points, output_range):
    rng = np.random.default_rng(seed)
    x0, x1 = (integers(rng, shape) for shape in shapes)
    output_scale = 0.03
    y = assert_same_bits(
        lambda x0, x1: ops.quantized_multiply(
            x0,
            x1,
            scale0=scales[0],
            scale1=scales[1],
            zero_point0=points[0],
            zero_point1=points[1],
            output_scale=output_scale,
            output_zero_point=points[2],
            output_min=output_range[0],
            output_max=output_range[1],
        ),
        x0,
        x1,
    )
    products = (x0.astype("int64") - points[0]) * (x1.astype("int64") - points[1])
    ratio = np.float32(scales[0]) * np.float32(scales[1])
    multiplier = np.float32(ratio / np.float32(output_scale))
    expected = np.clip(rounded(products, multiplier, points[2]), *output_range)
    np.testing.assert_array_equal(y, expected)


@few
@hypothesis.given(
    seed=seeds,
    sizes=st.tuples(st.integers(0, 9), st.integers(1, 700), st.integers(0, 40)),
    batches=st.sampled_from([((), ()), ((2,), (2,)), ((2, 1, 3), (1, 4, 3)), ((0,), (1,))]),
    points=st.tuples(int8, int8, int8),
    ends=st.booleans(),
)
def test_products_of_matrices(seed, sizes, batches, points, ends):
    rng = np.random.default_rng(seed)
    rows, depth, columns = sizes
    x0 = integers(rng, (*batches[0], rows, depth), ends)
    x1 = integers(rng, (*batches[1], depth, columns), ends)
    y = assert_same_bits(
        lambda x0, x1: ops.quantized_batch_matmul(
            x0,
            x1,
            scale0=0.1,
            scale1=0.02,
            zero_point0=points[0],
            zero_point1=points[1],
            output_scale=0.5,
            output_zero_point=points[2],
        ),
        x0,
        x1,
    )
    sums = (x0.astype("int64") - points[0]) @ (x1.astype("int64") - points[1])
    multiplier = np.float32(np.float32(0.1) * np.float32(0.02) / np.float32(0.5))
    np.testing.assert_array_equal(y, rounded(sums, multiplier, points[2]))


@pytest.mark.parametrize("columns", [5, 16, 35])
@pytest.mark.parametrize("orders", [((0, 2, 1, 3), (0, 2, 3, 1)), ((2, 0, 3, 1), (3, 1, 0, 2))])
def test_transposed_factors_of_products(orders, columns):
    rng = np.random.default_rng(0)
    shapes = (2, 3, 13, 33), (2, 3, 33, columns)
    stored = [
        integers(rng, [shape[order.index(axis)] for axis in range(4)])
        for shape, order in zip(shapes, orders, strict=True)
    ]
    quantization = {"scale0": 0.1, "scale1": 0.02, "output_scale": 0.5}
    quantization |= {"zero_point0": 68, "zero_point1": -33, "output_zero_point": 57}

    def product(*factors):
        pairs = zip(factors, orders, strict=True)
        factors = (keras.ops.transpose(x, order) for x, order in pairs)
        return ops.quantized_batch_matmul(*factors, **quantization)

    x0, x1 = (x.transpose(order) for x, order in zip(stored, orders, strict=True))
    expected = ops.quantized_batch_matmul(x0, x1, **quantization)
    np.testing.assert_array_equal(assert_same_bits(product, *stored), expected)
    graph = tf.function(product).get_concrete_function(*map(tf.constant, stored)).graph
    (op,) = (x for x in graph.get_operations() if x.type == "KerasoptQuantizedBatchMatMul")
    assert {x.op.type for x in op.inputs} == {"Placeholder"}  # no transpositions


@pytest.mark.parametrize("batches", [((5, 1), (1, 1)), ((1, 1), (5, 1)), ((5, 1), (1, 4))])
def test_products_of_batches_that_broadcast(batches):
    # TensorFlow's own product of these is wrong, or kills the process.
    rng = np.random.default_rng(0)
    x0, x1 = integers(rng, (*batches[0], 35, 22)), integers(rng, (*batches[1], 22, 19))
    quantization = {"scale0": 0.1, "scale1": 0.02, "output_scale": 0.5}
    quantization |= {"zero_point0": 68, "zero_point1": 33, "output_zero_point": 57}
    y = assert_same_bits(lambda *x: ops.quantized_batch_matmul(*x, **quantization), x0, x1)
    sums = (x0.astype("int64") - 68) @ (x1.astype("int64") - 33)
    multiplier = np.float32(np.float32(0.1) * np.float32(0.02) / np.float32(0.5))
    np.testing.assert_array_equal(y, rounded(sums, multiplier, 57))


@few
@hypothesis.given(window=windows, points=st.tuples(int8, int8))
def test_averages_count_what_is_in_the_image(window, points):
    seed, size, pool, strides, padding = window
    x = integers(np.random.default_rng(seed), (2, *size, 3))
    y = assert_same_bits(
        lambda x: ops.quantized_average_pool(
            x,
            pool_size=pool,
            strides=strides,
            padding=padding,
            input_scale=0.1,
            input_zero_point=points[0],
            output_scale=0.07,
            output_zero_point=points[1],
        ),
        x,
    )
    ratio = np.float32(0.1) / np.float32(0.07)
    for index, pixels in windows_of(x, y.shape[1:3], pool, strides, padding):
        window = pixels.astype("int64") - points[0]
        multiplier = np.float32(ratio / np.float32(window.shape[1] * window.shape[2]))
        expected = rounded(window.sum(axis=(1, 2)), multiplier, points[1])
        np.testing.assert_array_equal(y[:, *index], expected)


@few
@hypothesis.given(window=windows, channels=st.sampled_from([1, 3, 16, 40, 100]))
def test_largest_values_of_windows(window, channels):
    seed, size, pool, strides, padding = window
    x = integers(np.random.default_rng(seed), (2, *size, channels))
    y = assert_same_bits(
        lambda x: ops.max_pool(x, pool_size=pool, strides=strides, padding=padding), x
    )
    for index, pixels in windows_of(x, y.shape[1:3], pool, strides, padding):
        np.testing.assert_array_equal(y[:, *index], pixels.max(axis=(1, 2)))


def windows_of(x, sizes, pool, strides, padding):
    """Yield the place of each window, and what of it is in the image."""
    for index in np.ndindex(*sizes):
        begin = [
            i * s - (max((n - 1) * s + p - length, 0) // 2 if padding == "same" else 0)
            for i, s, n, p, length in zip(index, strides, sizes, pool, x.shape[1:3], strict=True)
        ]
        rows, columns = (
            slice(max(b, 0), min(b + p, length))
            for b, p, length in zip(begin, pool, x.shape[1:3], strict=True)
        )
        yield index, x[:, rows, columns]


@few
@hypothesis.given(seed=seeds, points=st.tuples(int8, int8), ends=st.booleans())
def test_a_gain_and_an_offset_for_each_channel(seed, points, ends):
    rng = np.random.default_rng(seed)
    x, kernel = integers(rng, (4, 5, 6), ends), integers(rng, 6)
    bias = rng.integers(-9999, 9999, 6).astype("int32")
    multiplier = rng.uniform(1e-4, 1e-1, 6).astype("float32")
    y = assert_same_bits(
        lambda *tensors: ops.quantized_scale(
            *tensors, input_zero_point=points[0], output_zero_point=points[1]
        ),
        *(x, kernel, bias, multiplier),
    )
    sums = (x.astype("int64") - points[0]) * kernel.astype("int64") + bias
    np.testing.assert_array_equal(y, rounded(sums, multiplier, points[1]))


@few
@hypothesis.given(
    seed=seeds,
    size=st.one_of(st.integers(1, 40), st.sampled_from([768, 4096])),
    spread=st.sampled_from([0, 1, 20, 128]),
    zero_point=int8,
)
def test_layer_normalization(seed, size, spread, zero_point):
    rng = np.random.default_rng(seed)
    x = rng.integers(-spread, spread or 1, (5, size)).clip(-128, 127).astype("int8")
    gamma, beta = rng.normal(size=(2, size))
    input_scale, output_scale, epsilon = 0.05, 0.04, 1e-3
    gain = (gamma / output_scale * 2.0**28 / size**0.5).astype("float32")
    offset = np.rint(beta / output_scale * 2.0**16).astype("int32")
    y = assert_same_bits(
        lambda *tensors: ops.quantized_layer_normalization(
            *tensors,
            epsilon=float(np.float32(size * epsilon / input_scale**2)),
            output_zero_point=zero_point,
        ),
        *(x, gain, offset),
    )
    real = x.astype("float64") * input_scale
    real = (real - real.mean(-1, keepdims=True)) / np.sqrt(real.var(-1, keepdims=True) + epsilon)
    expected = (real * gamma + beta) / output_scale + zero_point
    assert np.abs(np.clip(expected, -128, 127) - y).max() < 0.51


def test_layer_normalization_of_a_tiny_scale():
    x, gain = integers(np.random.default_rng(0), (3, 8)), np.full(8, 1e30, "float32")
    y = assert_same_bits(
        lambda *tensors: ops.quantized_layer_normalization(
            *tensors, epsilon=1e30, output_zero_point=-3
        ),
        *(x, gain, np.zeros(8, "int32")),
    )
    centred = x - x.mean(-1, keepdims=True)
    np.testing.assert_array_equal(y, np.where(centred > 0, 127, -128))


def test_bad_scales_and_windows_are_named():
    x = np.zeros((1, 4, 4, 2), "int8")
    points = {"zero_point0": 0, "zero_point1": 0, "output_zero_point": 0}
    for op in (ops.quantized_multiply, ops.quantized_batch_matmul):
        with pytest.raises(ValueError, match="`scale1` must be positive.*Received: scale1=-1"):
            op(x, x, scale0=1.0, scale1=-1.0, output_scale=1.0, **points)
    scales = {"input_scale": 1.0, "output_scale": 1.0}
    points = {"input_zero_point": 0, "output_zero_point": 0}
    with pytest.raises(ValueError, match="`pool_size`"):
        ops.quantized_average_pool(x, pool_size=0, strides=1, **scales, **points)
    with pytest.raises(REFUSALS, match="must fit"):
        ops.quantized_average_pool(x, pool_size=5, strides=1, **scales, **points)


@few
@hypothesis.given(
    seed=seeds,
    sizes=st.tuples(st.integers(1, 9), st.integers(1, 70), st.integers(1, 70)),
    magnitude=st.sampled_from([0.0, 1e-36, 1e-3, 1.0, 1e30, 3e38]),
    has_bias=st.booleans(),
)
def test_dynamic_matmul(seed, sizes, magnitude, has_bias):
    rows, inputs, units = sizes
    rng = np.random.default_rng(seed)
    x = (rng.uniform(-1, 1, (2, rows, inputs)) * magnitude).astype("float32")
    x[rng.random(x.shape) < 0.05] = np.nan
    x[0, 0, 0] = rng.choice([0.0, np.inf, -np.inf])
    kernel = integers(rng, (inputs, units))
    scale = rng.uniform(1e-4, 1e-1, units).astype("float32")
    bias = (rng.normal(size=units) * has_bias).astype("float32")
    y = assert_same_bits(ops.dynamic_matmul, x, kernel, scale, bias)
    finite = np.clip(np.where(np.isnan(x), 0, x), *(np.array([-1, 1]) * np.finfo("float32").max))
    finite = finite.astype("float64")
    steps = np.maximum(abs(finite).max(-1, keepdims=True) / 127, (abs(bias) / scale).max() * 2**-30)
    with np.errstate(over="ignore"):
        expected = finite @ kernel.astype("float64") * scale + bias
    # Half a step for each product, and half a step of the bias.
    bound = steps * scale * (abs(kernel.astype("float64")).sum(0) / 2 + 1)
    assert (abs(y - expected) <= bound + 1e-6 * abs(expected) + 1e-30).all() or magnitude > 1e37
