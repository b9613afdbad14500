"""Sparse matrix multiplications: the bits of the dense ones in int8, exact products in float32."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from ops.paths import all_paths, assert_same_bits, integers

from kerasopt import ops
from kerasopt.ops import native

few = hypothesis.settings(max_examples=8, deadline=None, derandomize=True)
sizes = st.one_of(st.sampled_from([1, 3, 4, 16, 64, 65, 130]), st.integers(1, 90))
ZERO_POINTS = {"input_zero_point": -3, "output_zero_point": 5}
problems = {
    "seed": st.integers(0, 2**32 - 1),
    "rows": st.one_of(st.sampled_from([0, 1, 16, 64, 65, 200]), st.integers(1, 150)),
    "depth": sizes,
    "units": sizes,
    "zeros": st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    "columns": st.sampled_from([1, 4]),
}


def mask_of(rng, depth, units, zeros, rows, columns):
    """Where a kernel of blocks is not zero."""
    blocks = rng.random((-(-depth // rows), -(-units // columns))) >= zeros
    return blocks.repeat(rows, 0).repeat(columns, 1)[:depth, :units]


def as_variable(weights):
    return weights._replace(values=tf.Variable(weights.values))


def int8_problem(rng, depth, units, zeros, columns):
    kernel = integers(rng, (depth, units)) * mask_of(rng, depth, units, zeros, 4, columns)
    bias = rng.integers(-9999, 9999, units).astype("int32")
    return kernel.astype("int8"), bias, rng.uniform(1e-5, 1e-2, units).astype("float32")


@few
@hypothesis.given(**problems)
def test_quantized_matmul(seed, rows, depth, units, zeros, columns):
    rng = np.random.default_rng(seed)
    x = integers(rng, (rows, depth))
    dense = int8_problem(rng, depth, units, zeros, columns)
    weights = as_variable(ops.SparseWeights.pack(*dense))
    for part, expected in zip(weights.unpack(), dense, strict=True):
        np.testing.assert_array_equal(part, expected)
    y = assert_same_bits(lambda x: ops.quantized_matmul(x, weights, **ZERO_POINTS), x)
    np.testing.assert_array_equal(y, ops.quantized_matmul(tf.constant(x), *dense, **ZERO_POINTS))


@few
@hypothesis.given(**problems)
def test_sparse_matmul(seed, rows, depth, units, zeros, columns):
    rng = np.random.default_rng(seed)
    # Whole numbers, so that sums are exact in any order.
    x = rng.integers(-99, 100, (rows, depth)).astype("float32")
    kernel = rng.integers(1, 9, (depth, units)) * mask_of(rng, depth, units, zeros, 1, columns)
    bias = rng.integers(-999, 999, units).astype("float32")
    weights = as_variable(ops.SparseWeights.pack(kernel.astype("float32"), bias))
    y = assert_same_bits(lambda x: ops.sparse_matmul(x, weights), x)
    np.testing.assert_array_equal(y, x @ kernel + bias)


def test_sums_of_floats_have_the_same_bits_for_every_instruction_set():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 50, 70)).astype("float32")
    kernel = rng.normal(size=(70, 33)) * (rng.random((70, 33)) < 0.3)
    bias = rng.normal(size=33).astype("float32")
    weights = as_variable(ops.SparseWeights.pack(kernel.astype("float32"), bias))
    results = all_paths(lambda x: ops.sparse_matmul(x, weights), x)
    natives = [results[name][0] for name in native.INSTRUCTION_SETS if name in results]
    for y in natives:
        np.testing.assert_array_equal(y, natives[0])
    np.testing.assert_allclose(natives[0], x @ kernel + bias, rtol=1e-4, atol=1e-4)


def test_blocks_of_four_outputs_share_their_rows():
    kernel = np.zeros((64, 8), "float32")
    kernel[::7, :4] = kernel[1::7, 4:] = 1.0
    weights = ops.SparseWeights.pack(kernel, np.zeros(8, "float32"))
    assert (weights.block_columns, weights.entries) == (4, 19)
    kernel[:, 1::2] = 0.0
    assert ops.SparseWeights.pack(kernel, np.zeros(8, "float32")).block_columns == 1


def test_bytes():
    rng = np.random.default_rng(0)
    kernel, bias, multiplier = int8_problem(rng, 1024, 512, 0.8, 1)
    size = ops.SparseWeights.pack(kernel, bias, multiplier).size
    assert size < 0.34 * kernel.size


def test_convolution_of_single_pixels():
    rng = np.random.default_rng(0)
    x = integers(rng, (2, 5, 3, 20))
    kernel, *rest = int8_problem(rng, 20, 9, 0.7, 1)
    dense = (kernel.reshape(1, 1, 20, 9), *rest)
    weights = ops.SparseWeights.pack(*dense)
    y = ops.quantized_conv2d(tf.constant(x), weights, **ZERO_POINTS)
    np.testing.assert_array_equal(y, ops.quantized_conv2d(tf.constant(x), *dense, **ZERO_POINTS))
    for window in ({"strides": 2}, {"padding": ((0, 1), (0, 0))}, {"groups": 2}):
        with pytest.raises(ValueError, match="must be pointwise.*Received"):
            ops.quantized_conv2d(tf.constant(x), weights, **window, **ZERO_POINTS)


def test_columns_that_are_too_long_are_refused():
    with pytest.raises(ValueError, match=r"at most 65536.*kernel.shape=\(65537, 1\)"):
        ops.SparseWeights.pack(np.ones((65537, 1), "float32"), np.zeros(1, "float32"))


@pytest.mark.parametrize("part", ["ends", "rows", "size"])
def test_damaged_weights_are_refused(part):
    weights = ops.SparseWeights.pack(np.eye(6, dtype="float32"), np.zeros(6, "float32"))
    values = weights.values.copy()
    at = {"ends": 6 * 4 + 3, "rows": len(values) - 1, "size": None}[part]
    if at is None:
        values = values[:-1]
    else:
        values[at] = 127
    message = "must have the shape" if part == "size" else "they are damaged"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ops.sparse_matmul(tf.ones((1, 6)), weights._replace(values=tf.constant(values)))


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"entries": 37}, "no more entries than a dense one"),
        ({"block_columns": 2}, "block_columns must be 1 or 4"),
        ({"shape": (7, 6)}, "last axis|[Dd]imension"),
    ],
)
def test_attributes_that_do_not_fit_are_refused(changed, message):
    weights = ops.SparseWeights.pack(np.eye(6, dtype="float32"), np.zeros(6, "float32"))
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError), match=message):
        ops.sparse_matmul(tf.ones((1, 6)), weights._replace(**changed))
