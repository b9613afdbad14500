"""Integer addition layer."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import ops
from kerasopt.layers.integer.affine import Affine
from kerasopt.layers.integer.layer import IntegerLayer
from kerasopt.ops.validation import check_output_range


@keras.saving.register_keras_serializable(package="kerasopt")
class QuantizedAdd(IntegerLayer):
    """Adds two int8 tensors of different scales, with a fused clamp for ReLU.

    Input: list of two int8 tensors of one shape. Output: int8 of that shape.

    Args:
        input_affines: Pair of `Affine`, one for each input.
        output_affine: `Affine` of the output.
        output_min: Smallest value of the output: its zero point where a ReLU is fused.
        output_max: Largest value of the output.
        **kwargs: The arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        *,
        input_affines: tuple[Affine, Affine],
        output_affine: Affine,
        output_min: int = -128,
        output_max: int = 127,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        check_output_range(output_min, output_max)
        self.input_affines = tuple(input_affines)
        self.output_affine = output_affine
        self.output_min = output_min
        self.output_max = output_max
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        first, second = self.input_affines
        return ops.quantized_add(
            inputs[0],
            inputs[1],
            scale0=first.scale,
            scale1=second.scale,
            zero_point0=first.zero_point,
            zero_point1=second.zero_point,
            output_scale=self.output_affine.scale,
            output_zero_point=self.output_affine.zero_point,
            output_min=self.output_min,
            output_max=self.output_max,
        )

    def compute_output_shape(self, input_shape: Any, *_: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "input_affines": [serialize(affine) for affine in self.input_affines],
            "output_affine": serialize(self.output_affine),
            "output_min": self.output_min,
            "output_max": self.output_max,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> QuantizedAdd:
        revive = keras.saving.deserialize_keras_object
        first, second = (revive(affine) for affine in config["input_affines"])
        output_affine = revive(config["output_affine"])
        return super().from_config(
            {**config, "input_affines": (first, second), "output_affine": output_affine}
        )
