"""Calls of the ops with weights that should succeed."""

import ml_dtypes
import numpy as np
from ops.fuzz.arguments import (
    activation_dtype,
    calls_of,
    image,
    integers,
    output_attributes,
    powers_of_two,
    rows,
    whole_floats,
    window_attributes,
)

from kerasopt import ops


def kernel_of(rng, shape, format):
    """Weights that a format holds."""
    if format in ops.HALF_FORMATS:
        dtype = np.float16 if format == "float16" else ml_dtypes.bfloat16
        return whole_floats(rng, shape).astype(dtype)
    if format == "binary":
        return rng.choice([-1, 1], shape).astype("int8")
    kernel = integers(rng, shape)
    if format == "2:4":
        kernel.reshape(-1, shape[-1])[rng.integers(0, 2) :: 2] = 0
    return kernel % 16 - 8 if format == "int4" else kernel


def packed(rng, shape, format="int8", bias_dtype="int32", **packing):
    """Packed weights of a random kernel."""
    is_depthwise = packing.get("is_depthwise", False)
    channels = shape[2] * shape[3] if is_depthwise else shape[-1]
    if bias_dtype == "int32":
        bias, multiplier = integers(rng, channels, "int16"), rng.uniform(1e-5, 0.01, channels)
    else:
        bias, multiplier = whole_floats(rng, channels, 100), powers_of_two(rng, channels)
    return ops.PackedWeights.pack(
        kernel_of(rng, shape, format),
        bias.astype(bias_dtype),
        multiplier.astype("float32"),
        bias_dtype=bias_dtype,
        format=format,
        **packing,
    ).values


def integer_format(rng):
    return str(rng.choice(ops.WEIGHT_FORMATS))


def half_format(rng):
    return str(rng.choice(ops.HALF_FORMATS))


def matrix_shape(rng):
    return [int(rng.choice([1, 3, 8, 33, 70])), int(rng.choice([1, 2, 16, 19, 65, 130]))]


def kernel_shape(rng, groups=1):
    height, width = rng.integers(1, 4, 2).tolist()
    return [height, width, int(rng.choice([1, 3, 4, 16])), groups * int(rng.choice([1, 5, 16]))]


@calls_of("QuantizedMatMul")
def quantized_matmul(rng):
    dtype, shape, format = activation_dtype(rng), matrix_shape(rng), integer_format(rng)
    inputs = {"x": rows(rng, shape[0], dtype), "weights": packed(rng, shape, format)}
    return inputs, {"kernel_shape": shape, "weight_format": format, **output_attributes(rng, dtype)}


@calls_of("DynamicMatMul")
def dynamic_matmul(rng):
    shape, format = matrix_shape(rng), integer_format(rng)
    weights = packed(rng, shape, format, "float32")
    inputs = {"x": rows(rng, shape[0], "float32"), "weights": weights}
    return inputs, {"kernel_shape": shape, "weight_format": format}


@calls_of("HalfMatMul")
def half_matmul(rng):
    shape, format = matrix_shape(rng), half_format(rng)
    weights = packed(rng, shape, format, "float32")
    inputs = {"x": rows(rng, shape[0], "float32"), "weights": weights}
    return inputs, {"kernel_shape": shape, "weight_format": format}


@calls_of("QuantizedConv2D")
def quantized_conv2d(rng):
    dtype, format, groups = activation_dtype(rng), integer_format(rng), int(rng.integers(1, 4))
    shape, window = kernel_shape(rng, groups), window_attributes(rng)
    packing = {"groups": groups, "dilation_rate": tuple(window["dilation_rate"])}
    inputs = {
        "x": image(rng, shape[2] * groups, dtype),
        "weights": packed(rng, shape, format, **packing),
    }
    attributes = {"kernel_shape": shape, "weight_format": format, "groups": groups}
    return inputs, attributes | window | output_attributes(rng, dtype)


@calls_of("HalfConv2D")
def half_conv2d(rng):
    format, groups = half_format(rng), int(rng.integers(1, 4))
    shape, window = kernel_shape(rng, groups), window_attributes(rng)
    packing = {"groups": groups, "dilation_rate": tuple(window["dilation_rate"])}
    weights = packed(rng, shape, format, "float32", **packing)
    inputs = {"x": image(rng, shape[2] * groups, "float32"), "weights": weights}
    return inputs, {"kernel_shape": shape, "weight_format": format, "groups": groups} | window


@calls_of("QuantizedDepthwiseConv2D")
def quantized_depthwise_conv2d(rng):
    dtype, shape = activation_dtype(rng), kernel_shape(rng)
    shape[3] = int(rng.integers(1, 4))
    weights = packed(rng, shape, is_depthwise=True)
    inputs = {"x": image(rng, shape[2], dtype), "weights": weights}
    return inputs, {"kernel_shape": shape} | window_attributes(rng) | output_attributes(rng, dtype)


@calls_of("BinaryConv2D")
def binary_conv2d(rng):
    shape, window = kernel_shape(rng), window_attributes(rng)
    packing = {"dilation_rate": tuple(window["dilation_rate"])}
    weights = packed(rng, shape, "binary", "float32", **packing)
    inputs = {"x": image(rng, shape[2], "float32"), "weights": weights}
    return inputs, {"kernel_shape": shape} | window


@calls_of("WeightOnlyMatMul")
def weight_only_matmul(rng):
    bits, transposed = int(rng.choice([2, 4, 8])), bool(rng.integers(2))
    stored, other = int(rng.choice([8, 24, 64, 136])), int(rng.choice([1, 3, 64, 70]))
    depth, columns = (stored, other) if transposed else (other, stored)
    group = depth
    if rng.integers(2):
        group = 128 // bits if transposed else int(rng.integers(1, 9))
        depth = group * int(rng.integers(1, 4))
    shape = [int(rng.integers(1, 3)), depth, columns]
    scales = shape[0] * columns * int(rng.choice([1, depth // group]))
    inputs = {
        "x": rows(rng, depth, "float32"),
        "packed": integers(rng, shape[0] * depth * columns * bits // 8, "uint8"),
        "scale": np.exp2(rng.integers(-2, 2, scales)).astype("float32"),
        "zero_point": rng.integers(-2, 2, scales).astype("int8"),
    }
    return inputs, {"kernel_shape": shape, "bits": bits, "group": group, "transposed": transposed}


def sparse(rng, dtype):
    shape = matrix_shape(rng)
    kernel = integers(rng, shape) if dtype == "int8" else whole_floats(rng, shape)
    kernel[rng.random(shape) < rng.random()] = 0
    bias = whole_floats(rng, shape[1], 100)
    multiplier = rng.uniform(1e-5, 0.01, shape[1]).astype("float32")
    if dtype == "int8":
        weights = ops.SparseWeights.pack(kernel, bias.astype("int32"), multiplier)
    else:
        weights = ops.SparseWeights.pack(kernel, bias)
    inputs = {"x": rows(rng, shape[0], dtype), "weights": weights.values}
    attributes = {"kernel_shape": shape, "entries": weights.entries}
    return inputs, attributes | {"block_columns": weights.block_columns}


@calls_of("SparseQuantizedMatMul")
def sparse_quantized_matmul(rng):
    inputs, attributes = sparse(rng, "int8")
    return inputs, attributes | output_attributes(rng, "int8")


@calls_of("SparseMatMul")
def sparse_matmul(rng):
    return sparse(rng, "float32")
