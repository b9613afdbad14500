"""What the layers that multiply along the last axis have in common."""

from __future__ import annotations

from typing import Any

from kerasopt.inference.layer import InferenceLayer


class DenseLike(InferenceLayer):
    """Mixin of dense layers: a product along the last axis.

    Args:
        units: Positive integer, the size of the output's last axis.
        **kwargs: The arguments of the layer.
    """

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = units

    def kernel_shape(self, input_shape: Any) -> tuple[int, ...]:
        return input_shape[-1], self.units

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}
