"""Integer matrix multiplication and the requantization shared by all contractions."""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import backend, ops

from kerasopt.ops.reference.int16 import halves, requantize_halves
from kerasopt.ops.validation import check_tensor, integer_dtype

# A sum of 512 products of |x - zero_point| <= 255 and |kernel| <= 128 stays below 2^24, so
# float32 holds every partial sum exactly, in any order; the operands themselves have at most
# 8 significant bits, so bfloat16 and TF32 multipliers are exact too.
EXACT_DEPTH = 512
# The scale of symmetric int8 values with a largest magnitude of 1.
_STEP = float(np.float32(1 / 127))
# The largest bias is 2^30, which leaves room for the products of 66,000 inputs.
_LARGEST_OFFSET = 2.0**30
# Smaller scales would underflow.
_SMALLEST_SCALE = 2.0**-100
_LARGEST = float(np.finfo("float32").max)


def integer_matmul(x: Any, kernel: Any) -> Any:
    """int32 product of an integer-valued (..., K) and (K, N), wrapping as two's complement."""
    x, kernel = ops.cast(x, "float32"), ops.cast(kernel, "float32")
    depth = kernel.shape[0]
    total = None
    for begin in range(0, depth, EXACT_DEPTH):
        end = min(begin + EXACT_DEPTH, depth)
        part = ops.cast(ops.matmul(x[..., begin:end], kernel[begin:end]), "int32")
        total = part if total is None else total + part
    return total


def centered(
    x0: Any, x1: Any, zero_point0: int, zero_point1: int, dtypes: tuple[str, ...] = ("int8",)
) -> tuple[Any, Any]:
    """Two integer tensors minus their zero points, in int32."""
    check_tensor("x0", x0, dtypes, len(x0.shape))
    check_tensor("x1", x1, backend.standardize_dtype(x0.dtype), len(x1.shape))
    return ops.cast(x0, "int32") - zero_point0, ops.cast(x1, "int32") - zero_point1


def is_usable(scale: Any) -> Any:
    """Whether scales or multipliers are positive and finite."""
    return ops.logical_and(scale > 0.0, ops.isfinite(scale))


def requantize(
    accumulator: Any,
    bias: Any,
    multiplier: Any,
    output_zero_point: int,
    output_min: int,
    output_max: int,
) -> Any:
    """`clamp(round_half_even(float32(accumulator + bias) * multiplier) + zero_point)` as int8."""
    q = ops.round(ops.cast(accumulator + bias, "float32") * multiplier)
    # Clamped before the zero point is added: a float add after a float multiply would be
    # contracted to a fused multiply-add by XLA.
    q = ops.clip(q, output_min - output_zero_point, output_max - output_zero_point)
    return ops.cast(ops.cast(q, "int32") + output_zero_point, "int8")


def contract(
    x: Any,
    sum_products: Callable[[Any], Any],
    bias: Any,
    multiplier: Any,
    products: int,
    *,
    input_zero_point: int,
    output_zero_point: int,
    output_min: int,
    output_max: int,
) -> Any:
    """Requantized sums of int8 or int16 values times weights.

    `sum_products` is a function from an int32 tensor of the shape of `x` to int32 sums of
    `products` products each. A channel with an invalid multiplier gets the zero point.
    """
    multiplier = ops.where(is_usable(multiplier), multiplier, 0.0)
    if integer_dtype(x) == "int16":
        high, low = map(sum_products, halves(x))
        return requantize_halves(high, low, bias, multiplier, products, output_min, output_max)
    sums = sum_products(ops.cast(x, "int32") - input_zero_point)
    return requantize(sums, bias, multiplier, output_zero_point, output_min, output_max)


def quantized_matmul(
    x: Any,
    kernel: Any,
    bias: Any,
    multiplier: Any,
    *,
    input_zero_point: int,
    output_zero_point: int,
    output_min: int,
    output_max: int,
) -> Any:
    """Reference of `kerasopt.ops.quantized_matmul`."""
    check_tensor("x", x, ("int8", "int16"), max(len(x.shape), 2))
    check_tensor("kernel", kernel, "int8", 2)
    return contract(
        x,
        lambda x: integer_matmul(x, kernel),
        bias,
        multiplier,
        kernel.shape[0],
        input_zero_point=input_zero_point,
        output_zero_point=output_zero_point,
        output_min=output_min,
        output_max=output_max,
    )


def quantized_batch_matmul(
    x0: Any,
    x1: Any,
    *,
    multiplier: float,
    zero_point0: int,
    zero_point1: int,
    output_zero_point: int,
) -> Any:
    """Reference of `kerasopt.ops.quantized_batch_matmul`."""
    check_tensor("x1", x1, "int8", len(x0.shape))
    sums = _batched(*centered(x0, x1, zero_point0, zero_point1))
    return requantize(sums, 0, multiplier, output_zero_point, -128, 127)


def _batched(x0: Any, x1: Any) -> Any:
    """int32 product of (..., M, K) and (..., K, N), both of values from -255 to 255."""
    # TensorFlow 2.21 may write out of bounds if batches of 1 broadcast (tensorflow#117700).
    zeros = [ops.sum(ops.zeros_like(x), axis=(-2, -1), keepdims=True) for x in (x0, x1)]
    x0, x1 = x0 + zeros[1], x1 + zeros[0]
    depth = x1.shape[-2]
    if not depth:  # unknown, or none to sum
        return ops.matmul(x0, x1)
    x0, x1 = ops.cast(x0, "float32"), ops.cast(x1, "float32")
    total: Any = 0
    for begin in range(0, depth, EXACT_DEPTH // 2):
        end = min(begin + EXACT_DEPTH // 2, depth)
        total += ops.cast(ops.matmul(x0[..., begin:end], x1[..., begin:end, :]), "int32")
    return total


def dynamic_matmul(x: Any, kernel: Any, kernel_scale: Any, bias: Any) -> Any:
    """Reference of `kerasopt.ops.dynamic_matmul`."""
    check_tensor("kernel", kernel, "int8", 2)
    x = ops.clip(ops.where(ops.isnan(x), 0.0, x), -_LARGEST, _LARGEST)
    is_scale = is_usable(kernel_scale)
    kernel_scale = ops.where(is_scale, kernel_scale, 1.0)
    ratio = ops.minimum(ops.max(ops.abs(bias) / kernel_scale), _LARGEST)
    q, scale = rounded_rows(x, ops.maximum(ratio / _LARGEST_OFFSET, _SMALLEST_SCALE))
    y = scale_to_float(integer_matmul(q, kernel), scale * kernel_scale, bias)
    return ops.where(is_scale, y, float("nan"))


def rounded_rows(x: Any, smallest: Any = _SMALLEST_SCALE) -> tuple[Any, Any]:
    """Whole numbers from -127 to 127 in float32, and for each row the scale to multiply them by."""
    scale = ops.max(ops.abs(x), axis=-1, keepdims=True, initial=0.0) * _STEP
    scale = ops.maximum(scale, smallest)
    return ops.clip(ops.round(x / scale), -127.0, 127.0), scale


def scale_to_float(sums: Any, scale: Any, bias: Any) -> Any:
    """`float32(sums + round_half_even(bias / scale)) * scale` for int32 sums."""
    scale = ops.maximum(scale, _SMALLEST_SCALE)
    offset = ops.clip(ops.round(bias / scale), -_LARGEST_OFFSET, _LARGEST_OFFSET)
    return ops.cast(sums + ops.cast(offset, "int32"), "float32") * scale
