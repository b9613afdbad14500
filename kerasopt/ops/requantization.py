"""Requantization of integer sums to int8 or int16, shared by matrix products and convolutions.

For int8 tensors, all compute `clamp(round_half_even(float32(acc + bias) * multiplier) +
output_zero_point)` with `acc = sum((x - input_zero_point) * kernel)` in int32 and `multiplier =
float32(float32(input_scale * kernel_scale) / output_scale)` per output channel. Sums that do not
fit into int32 wrap around as two's complement, identically on every path; this cannot happen below
2^31 / (255 * 128) = 65,793 products.

Attributes and shapes are checked on every path. For a multiplier that is not positive and finite,
the native ops raise an error; XLA and `keras.ops`, which cannot raise, return the output's zero
point, which represents 0.0, in its channel.

int16 tensors have the zero point 0. Their sums, of up to 65,536 products (511 of a depthwise
convolution), are exact in more than 32 bits; then

    shift = the smallest one, from 1 on, with (products * 2^22 + 2^31) >> shift < 2^31 - 1
    sum = (acc + bias + 2^(shift - 1)) >> shift
    y = clamp(round_half_even(float32(sum) * (2^shift * multiplier)))
"""

from typing import Any

from kerasopt.ops.packed_weights import PackedWeights
from kerasopt.ops.sparse_weights import SparseWeights
from kerasopt.ops.validation import (
    integer_dtype,
    standardize_output_range,
    standardize_zero_points,
)


def standardize(
    x: Any,
    input_zero_point: int,
    output_zero_point: int,
    output_min: int | None,
    output_max: int | None,
) -> dict[str, Any]:
    """Returns the arguments of a requantization in standard form; raises if they are invalid."""
    dtype = integer_dtype(x)
    zero_points = standardize_zero_points(
        dtype, input_zero_point=input_zero_point, output_zero_point=output_zero_point
    )
    return zero_points | standardize_output_range(output_min, output_max, dtype)


def packed(kernel: Any, bias: Any, multiplier: Any, **packing: Any) -> PackedWeights:
    """Returns weights in the format of the native ops."""
    if isinstance(kernel, PackedWeights):
        return kernel
    return PackedWeights.pack(kernel, bias, multiplier, **packing)


def unpacked(kernel: Any, bias: Any, multiplier: Any) -> tuple[Any, Any, Any]:
    """Returns kernel, bias and multiplier in the format of the reference."""
    is_packed = isinstance(kernel, PackedWeights | SparseWeights)
    return kernel.unpack() if is_packed else (kernel, bias, multiplier)
