"""Attributes and lengths that no layer writes are refused on every path, and kill nothing.

`test_fuzz.py` tries others, in processes of their own.
"""

import gc

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from kerasopt import ops
from kerasopt.ops import native, reference

POINTS = {"input_zero_point": 0, "output_zero_point": 0}


def matmul_weights(multiplier=1.0):
    kernel, ones = np.ones((8, 16), "int8"), np.full(16, multiplier, "float32")
    return ops.PackedWeights.pack(kernel, np.zeros(16, "int32"), ones).values


def convolution(**changed):
    kernel = np.zeros((2, 1, 4, 16), "int8")
    packed = ops.PackedWeights.pack(kernel, np.zeros(16, "int32"), np.ones(16, "float32"))
    arguments = {"kernel_shape": packed.shape, **POINTS, **changed}
    return "kerasopt_quantized_conv2d", (np.zeros((1, 4, 4, 4), "int8"), packed.values), arguments


def matmul(weights=None, **changed):
    weights = matmul_weights() if weights is None else weights
    arguments = {"kernel_shape": (8, 16), **POINTS, **changed}
    return "kerasopt_quantized_mat_mul", (np.ones((1, 8), "int8"), weights), arguments


def pool(**changed):
    arguments = {"pool_size": (2, 2), "strides": (1, 1), "padding": "valid", **changed}
    return "kerasopt_max_pool", (np.zeros((1, 4, 4, 4), "int8"),), arguments


def bytes_of(count):
    return np.zeros(count, "int8")


def sparse(weights):
    arguments = {"kernel_shape": (5, 1), "entries": 1, "block_columns": 1}
    return "kerasopt_sparse_mat_mul", (np.zeros((4, 5), "float32"), weights), arguments


def half(weights):
    arguments = {"kernel_shape": (8, 2), "weight_format": "float16"}
    return "kerasopt_half_mat_mul", (np.zeros((3, 8), "float32"), weights), arguments


def depthwise(weights):
    arguments = {"kernel_shape": (5, 1, 2, 1), "padding": "same", **POINTS}
    return (
        "kerasopt_quantized_depthwise_conv2d",
        (np.zeros((1, 1, 6, 2), "int8"), weights),
        arguments,
    )


REFUSED = {
    "stride 0": convolution(strides=(0, 1)),
    "negative stride": convolution(strides=(1, -(2**31))),
    "negative dilation": convolution(padding="same", dilation_rate=(-(2**31), 1)),
    "large dilation": convolution(padding="same", dilation_rate=(2**31 - 1, 1)),
    "one stride": convolution(strides=(1,)),
    "groups of none": convolution(groups=0),
    "negative groups": convolution(groups=-4),
    "groups that overflow": convolution(groups=2**62),
    "unknown padding": convolution(padding="full"),
    "unknown format": convolution(weight_format="binary"),
    "kernel that overflows": convolution(kernel_shape=(2**31, 2**31, 2**31, 2**31)),
    "kernel without size": convolution(kernel_shape=()),
    "matrix that overflows": matmul(bytes_of(64), kernel_shape=(5, 2**60)),
    "zero point": matmul(input_zero_point=2**40),
    "range": matmul(output_min=9, output_max=-9),
    "pool without size": pool(pool_size=(0, 2)),
    "pool without stride": pool(strides=(2, 0)),
    "weights too long": matmul(np.concatenate([matmul_weights(), bytes_of(64)])),
    "weights too short": matmul(bytes_of(15)),
    "matrix of weights": matmul(matmul_weights()[None]),
    "sparse weights": sparse(bytes_of(3)),
    "half weights": half(bytes_of(57)),
    "depthwise weights": depthwise(bytes_of(9)),
}


@pytest.mark.parametrize("mode", ["eager", "graph", "unknown shapes", "jit"])
@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, mode):
    op, inputs, arguments = REFUSED[name]
    inputs = [tf.constant(value) for value in inputs]
    function = lambda *inputs: getattr(native.load(), op)(*inputs, **arguments)  # noqa: E731
    if mode != "eager":
        function = tf.function(function, jit_compile=mode == "jit")
    if mode == "unknown shapes":
        specs = [tf.TensorSpec(None, value.dtype) for value in inputs]
        function = lambda *inputs, f=function: f.get_concrete_function(*specs)(*inputs)  # noqa: E731
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        function(*inputs)


@pytest.mark.parametrize("multiplier", [np.nan, np.inf, 0.0, -1.0])
def test_multipliers_that_only_run_time_knows(multiplier):
    """XLA, which cannot refuse values, computes what `keras.ops` does: the zero point."""
    op, inputs, arguments = matmul(matmul_weights(multiplier))
    arguments |= {"output_zero_point": 7}
    function = lambda *inputs: getattr(native.load(), op)(*inputs, **arguments)  # noqa: E731
    inputs = [tf.constant(value) for value in inputs]
    for run in (function, tf.function(function)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="multiplier must be positive"):
            run(*inputs)
    unpacked = ops.PackedWeights(inputs[1], (8, 16)).unpack()
    limits = {"input_zero_point": 0, "output_zero_point": 7, "output_min": -128, "output_max": 127}
    for y in (
        tf.function(function, jit_compile=True)(*inputs),
        reference.quantized_matmul(inputs[0], *unpacked, **limits),
    ):
        np.testing.assert_array_equal(y, np.full((1, 16), 7))


@pytest.mark.parametrize("name, value", [("strides", [0, 1]), ("kernel_shape", [5, 1 << 60, 1, 1])])
def test_saved_model_with_an_edited_attribute(tmp_path, name, value):
    op, inputs, arguments = convolution()
    module = tf.Module()
    specs = [tf.TensorSpec(None, "int8")] * 2
    module.call = tf.function(
        lambda *inputs: getattr(native.load(), op)(*inputs, **arguments), input_signature=specs
    )
    tf.saved_model.save(module, tmp_path)
    path = tmp_path / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for function in saved.meta_graphs[0].graph_def.library.function:
        for node in function.node_def:
            if node.op == "KerasoptQuantizedConv2D":
                node.attr[name].list.i[:] = value
    path.write_bytes(saved.SerializeToString())
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError, OSError)):
        tf.saved_model.load(tmp_path).call(*map(tf.constant, inputs))


def test_eager_calls_do_not_keep_weights():
    """TensorFlow keeps a kernel for every set of attributes that ran eagerly."""

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    def call(zero_point):
        size = ops.PackedWeights(None, (2048, 2048)).size
        weights = np.zeros(size, "int8")
        weights[-2048 * 4 :] = np.ones(2048, "float32").view("int8")
        arguments = {"input_zero_point": zero_point, "output_zero_point": 0}
        weights = tf.identity(tf.constant(weights))
        native.load().kerasopt_quantized_mat_mul(
            tf.zeros((1, 2048), "int8"), weights, kernel_shape=(2048, 2048), **arguments
        )

    call(0)
    before = resident()
    for zero_point in range(1, 30):
        call(zero_point)
    gc.collect()
    assert resident() - before < 40e6  # 30 kernels have 125 MB
