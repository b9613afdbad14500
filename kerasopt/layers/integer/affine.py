"""What an int8 tensor stands for: its scale and zero point."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="kerasopt")
@dataclasses.dataclass(frozen=True)
class Affine:
    """The real values `(q - zero_point) * scale` of int8 values `q`.

    Args:
        scale: Positive float, rounded to float32.
        zero_point: Integer from -128 to 127, the value that stands for 0.0.

    Raises:
        ValueError: If `scale` is not positive and finite in float32, or `zero_point` is no
            integer that int8 can hold.
    """

    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        scale = float(np.float32(self.scale))
        if not 0.0 < scale < float("inf"):
            raise ValueError(
                "`scale` must be positive and finite in float32. A range of zero width gives no "
                f"such scale. Received: scale={self.scale}"
            )
        if int(self.zero_point) != self.zero_point or not -128 <= self.zero_point <= 127:
            raise ValueError(
                "`zero_point` must be an integer from -128 to 127. "
                f"Received: zero_point={self.zero_point}"
            )
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "zero_point", int(self.zero_point))

    def quantized(self, value: float) -> int:
        """Returns the int8 value nearest to a real one, clamped to the range of int8."""
        q = np.rint(np.float32(value) / np.float32(self.scale)) + self.zero_point
        return int(np.clip(q, -128, 127))

    def get_config(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Affine:
        return cls(**config)
