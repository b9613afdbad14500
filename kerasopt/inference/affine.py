"""The scale and zero point of an integer tensor."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np

from kerasopt.ops.validation import standardize_zero_points


@keras.saving.register_keras_serializable(package="kerasopt")
@dataclasses.dataclass(frozen=True)
class Affine:
    """The real values `(q - zero_point) * scale` of int8 or int16 values `q`.

    ```python
    affine = kerasopt.inference.Affine(scale=0.5, zero_point=3)
    (np.array([3, 5]) - affine.zero_point) * affine.scale  # [0.0, 1.0]
    ```

    Args:
        scale: Positive float, rounded to float32.
        zero_point: Integer from -128 to 127, the value that represents 0.0; 0 for int16.
        bits: Integer, 8 or 16.

    Raises:
        ValueError: If `scale` is not positive and finite in float32, `zero_point` is no such
            integer, or `bits` is another number.
    """

    scale: float
    zero_point: int
    bits: int = 8

    def __post_init__(self) -> None:
        scale = float(np.float32(self.scale))
        if not 0.0 < scale < float("inf"):
            raise ValueError(
                "`scale` must be positive and finite in float32. A range of zero width gives no "
                f"such scale. Received: scale={self.scale}"
            )
        if self.bits not in (8, 16):
            raise ValueError(f"`bits` must be 8 or 16. Received: bits={self.bits}")
        standardize_zero_points(self.dtype, zero_point=self.zero_point)
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "zero_point", int(self.zero_point))

    @property
    def dtype(self) -> str:
        """The dtype of the values."""
        return f"int{self.bits}"

    @property
    def minimum(self) -> int:
        """The smallest value; 16 bits are symmetric."""
        return -128 if self.bits == 8 else -32767

    @property
    def maximum(self) -> int:
        """The largest value."""
        return 2 ** (self.bits - 1) - 1

    def quantized(self, value: float) -> int:
        """Returns the value nearest to a real one."""
        q = np.rint(np.float32(value) / np.float32(self.scale)) + self.zero_point
        return int(np.clip(q, self.minimum, self.maximum))

    def get_config(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Affine:
        return cls(**config)
