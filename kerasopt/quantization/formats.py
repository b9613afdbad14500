"""Formats: the values that a tensor is rounded to."""

import dataclasses

import keras
import numpy as np

_FLOATS = ("float16", "bfloat16")

# Magnitudes up to this count as zero: scales computed from them, and quotients by these scales,
# would leave the normal float32 range (compilers may flush numbers below 1.2e-38 to zero).
NEGLIGIBLE = 1e-30


@keras.saving.register_keras_serializable(package="kerasopt")
@dataclasses.dataclass(frozen=True)
class Format:
    """An integer format, used with a scale and a zero point.

    | bits | symmetric | asymmetric |
    | ---: | --- | --- |
    | 1 | -1 and 1, without zero | |
    | 2 | -1 to 1 (ternary) | -2 to 1 |
    | 4 | -7 to 7 | -8 to 7 |
    | 8 | -127 to 127 | -128 to 127 |
    | 16 | -32767 to 32767 | -32768 to 32767 |

    ```python
    four_bits = ko.quantization.Format(4, symmetric=True)
    four_bits.minimum, four_bits.maximum  # -7, 7
    ko.quantization.Spec(weights=four_bits, activations=None)
    ```

    Args:
        bits: Integer from 1 to 16, the bit width.
        symmetric: Boolean. A symmetric format has zero point 0 and does not use
            the lowest integer; an asymmetric one uses all integers. A binary
            format (1 bit) is symmetric.
    """

    bits: int = 8
    symmetric: bool = False

    def __post_init__(self):
        if type(self.bits) is not int or not 1 <= self.bits <= 16:
            raise ValueError(f"`bits` must be from 1 to 16. Received: bits={self.bits!r}")
        if self.bits == 1 and not self.symmetric:
            raise ValueError(
                "A binary format (1 bit) has the values -1 and 1: pass `symmetric=True`. Received: "
                f"bits={self.bits}, symmetric={self.symmetric}"
            )

    @property
    def minimum(self) -> int:
        """The smallest integer."""
        return -self.maximum if self.symmetric else -(2 ** (self.bits - 1))

    @property
    def maximum(self) -> int:
        """The largest integer."""
        return max(2 ** (self.bits - 1) - 1, 1)

    @property
    def step(self) -> np.float32:
        """The fraction of the range that one integer spans, a float32.

        The range is the largest magnitude if symmetric, otherwise maximum minus
        minimum. Scales are computed as range times step, since a division by a
        constant is not bit-exact under XLA.
        """
        span = self.maximum if self.symmetric else self.maximum - self.minimum
        return np.float32(1 / span)

    def affine(self, low, high):
        """Returns the scales and zero points with which the integers span ranges.

            scale = max(-low, high) * step,  zero_point = 0                  if symmetric
            scale = (max(high, 0) - min(low, 0)) * step                      else
            zero_point = clamp(rint(minimum - min(low, 0) / scale))

        so zero is represented exactly. A range of width up to 1e-30 counts as all zeros and has
        scale 1.

        Args:
            low: Float32 tensor, the lower ends of the ranges.
            high: Float32 tensor of the same shape, the upper ends.

        Returns:
            Two float32 tensors; the zero points are whole numbers.
        """
        ops = keras.ops
        low, high = ops.minimum(low, 0.0), ops.maximum(high, 0.0)
        width = ops.maximum(-low, high) if self.symmetric else high - low
        # For a non-finite range both comparisons are false, and its values are not finite either.
        scale = ops.where(width <= NEGLIGIBLE, 1.0, width * self.step)
        if self.symmetric:
            return scale, ops.zeros_like(scale)
        zero_point = ops.round(self.minimum - low / scale)
        return scale, ops.clip(zero_point, self.minimum, self.maximum)

    def get_config(self) -> dict:
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict) -> "Format":
        return cls(**config)

    def __str__(self):
        return f"{'symmetric' if self.symmetric else 'asymmetric'} {self.bits}-bit integers"


@keras.saving.register_keras_serializable(package="kerasopt")
@dataclasses.dataclass(frozen=True)
class FloatFormat:
    """A 16-bit floating-point format.

    ```python
    half = ko.quantization.FloatFormat("bfloat16")
    ko.quantization.Spec(weights=half, activations=half)
    ```

    Args:
        dtype: `"float16"` (10 bits of mantissa, up to 65504) or `"bfloat16"`
            (7 bits of mantissa, the range of float32).
    """

    dtype: str = "float16"

    def __post_init__(self):
        if self.dtype not in _FLOATS:
            raise ValueError(f"`dtype` must be one of {_FLOATS}. Received: dtype={self.dtype!r}")

    @property
    def bits(self) -> int:
        """The bit width, 16."""
        return 16

    def get_config(self) -> dict:
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict) -> "FloatFormat":
        return cls(**config)

    def __str__(self):
        return self.dtype


def wider(format: Format | FloatFormat | None, bits: int) -> Format | FloatFormat | None:
    """Returns an integer format with at least `bits` bits; other formats unchanged."""
    if isinstance(format, Format) and format.bits < bits:
        return dataclasses.replace(format, bits=bits)
    return format
