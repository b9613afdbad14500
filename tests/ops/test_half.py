"""Products with weights of 16 bits: one order of sums on all instruction sets."""

import hypothesis
import hypothesis.strategies as st
import keras
import numpy as np
import pytest
import tensorflow as tf
from ops.paths import all_paths

from kerasopt import ops
from kerasopt.ops import native

few = hypothesis.settings(max_examples=6, deadline=None, derandomize=True)
sizes = st.one_of(st.sampled_from([1, 16, 17, 64, 130]), st.integers(1, 90))
formats = st.sampled_from(ops.HALF_FORMATS)


def weights_for(rng, shape, dtype, **packing):
    """Packed weights in a variable, the kernel in float32, bias and scale."""
    kernel = keras.ops.convert_to_numpy(keras.ops.cast(rng.normal(size=shape), dtype))
    bias = rng.normal(size=shape[-1]).astype("float32")
    scale = rng.uniform(0.5, 2.0, shape[-1]).astype("float32")
    packing |= {"bias_dtype": "float32", "format": dtype}
    packed = ops.PackedWeights.pack(kernel, bias, scale, **packing)
    for part, expected in zip(packed.unpack(), (kernel, bias, scale), strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(part), expected)
    variable = packed._replace(values=tf.Variable(packed.values))
    return variable, kernel.astype("float32"), bias, scale


def results_of(function, x):
    """What all paths compute, after it was seen that the native ones give the same bits."""
    results = {name: outputs[0] for name, outputs in all_paths(function, x).items()}
    natives = [y for name, y in results.items() if name in native.INSTRUCTION_SETS]
    assert len(natives) >= 2
    for y in natives:
        np.testing.assert_array_equal(y, natives[0])
    return results


@few
@hypothesis.given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 130),
    depth=sizes,
    units=sizes,
    dtype=formats,
)
def test_matmul(seed, rows, depth, units, dtype):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, depth)).astype("float32")
    packed, kernel, bias, scale = weights_for(rng, (depth, units), dtype)
    for y in results_of(lambda x: ops.half_matmul(x, packed), x).values():
        np.testing.assert_allclose(y, x @ kernel * scale + bias, rtol=1e-4, atol=1e-4)


@few
@hypothesis.given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    channels=st.integers(1, 40),
    filters=st.integers(1, 40),
    groups=st.sampled_from([1, 2]),
    strides=st.sampled_from([1, (2, 1)]),
    padding=st.sampled_from(["same", "valid", ((0, 1), (3, 0))]),
    dilation_rate=st.sampled_from([1, 2]),
    dtype=formats,
)
def test_conv2d(seed, size, channels, filters, groups, strides, padding, dilation_rate, dtype):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, 6, 7, channels * groups)).astype("float32")
    dilation = (dilation_rate if strides == 1 else 1,) * 2
    shape = (*size, channels, filters * groups)
    packed, kernel, bias, scale = weights_for(
        rng, shape, dtype, groups=groups, dilation_rate=dilation
    )
    window = {"strides": strides, "padding": padding, "dilation_rate": dilation}
    image = x if isinstance(padding, str) else np.pad(x, [(0, 0), *padding, (0, 0)])
    sums = keras.ops.conv(
        image,
        kernel,
        strides,
        padding if isinstance(padding, str) else "valid",
        "channels_last",
        dilation,
    )
    for y in results_of(lambda x: ops.half_conv2d(x, packed, **window), x).values():
        np.testing.assert_allclose(y, sums * scale + bias, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ops.HALF_FORMATS)
def test_small_large_and_infinite_weights(dtype):
    bits = np.array(
        [0, 1, 0x8001, 0x03FF, 0x007F, 0x7BFF, 0x7C00, 0xFC00, 0x7F80, 0xFF80], "uint16"
    )
    kernel = bits.view("float16") if dtype == "float16" else bits.view(tf.bfloat16.as_numpy_dtype)
    ones, zeros = np.ones(len(bits), "float32"), np.zeros(len(bits), "float32")
    packed = ops.PackedWeights.pack(kernel[None], zeros, ones, bias_dtype="float32", format=dtype)
    expected = kernel.astype("float32")
    for name in native.INSTRUCTION_SETS:
        if native.select_instruction_set(name):
            y = np.array(ops.half_matmul(tf.ones((1, 1)), packed))[0]
            # TensorFlow has the CPU take subnormal float32 numbers for zero.
            np.testing.assert_allclose(y, expected, rtol=0, atol=1e-37)


def test_leading_axes_and_no_rows():
    rng = np.random.default_rng(0)
    packed, *_ = weights_for(rng, (40, 3), "float16")
    x = rng.normal(size=(2, 5, 40)).astype("float32")
    y = ops.half_matmul(tf.constant(x), packed)
    flat = ops.half_matmul(tf.constant(x.reshape(10, 40)), packed)
    np.testing.assert_array_equal(y, np.array(flat).reshape(2, 5, 3))
    assert ops.half_matmul(tf.zeros((0, 40)), packed).shape == (0, 3)


def test_bytes():
    packed = ops.PackedWeights(None, (512, 512), format="bfloat16")
    assert packed.size == 512 * 512 * 2 + 512 * 8


@pytest.mark.parametrize("channels", [39, 41])
def test_channels_that_do_not_fit(channels):
    packed, *_ = weights_for(np.random.default_rng(0), (1, 1, 40, 3), "float16")
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="channels|[Dd]imension"):
        ops.half_conv2d(tf.zeros((1, 2, 2, channels)), packed)


def test_another_kernel_dtype_than_the_format_is_refused():
    zeros, ones = np.zeros(2, "float32"), np.ones(2, "float32")
    with pytest.raises(ValueError, match=r"`kernel`.*bfloat16.*kernel.dtype=float16"):
        ops.PackedWeights.pack(np.ones((4, 2), "float16"), zeros, ones, format="bfloat16")


def test_damaged_weights_are_refused():
    packed, *_ = weights_for(np.random.default_rng(0), (4, 2), "float16")
    shorter = packed._replace(values=packed.values[:-1])
    with pytest.raises(tf.errors.InvalidArgumentError, match="must have the shape"):
        ops.half_matmul(tf.ones((1, 4)), shorter)
    zeros = np.zeros(2, "float32")
    packed = ops.PackedWeights.pack(
        np.ones((4, 2), "float16"), zeros, zeros, bias_dtype="float32", format="float16"
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be positive and finite"):
        ops.half_matmul(tf.ones((1, 4)), packed)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="groups of one size"):
        ops.half_conv2d(tf.ones((1, 1, 1, 8)), packed._replace(shape=(1, 1, 4, 2), groups=4))
