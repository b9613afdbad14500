"""Bases of the layers that compute on int8 or int16 tensors."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt.inference.affine import Affine
from kerasopt.inference.layer import InferenceLayer
from kerasopt.keras_internals.graphs import broadcast_shapes
from kerasopt.ops.validation import standardize_output_range


class IntegerLayer(InferenceLayer):
    """Base of the layers that read or write integers.

    Args:
        input_affine: `Affine` of the input, or a tuple with one for each input; `None` if that is
            float32.
        output_affine: `Affine` of the output; `None` if that is float32.
        **kwargs: The arguments of `keras.layers.Layer`.

    Attributes:
        affines: Of a class, the names of those that its layers must have.

    Raises:
        ValueError: If one of them is missing, or has other bits.
    """

    affines: tuple[str, ...] = ("input_affine", "output_affine")

    def __init__(
        self,
        *,
        input_affine: Affine | tuple[Affine, ...] | None = None,
        output_affine: Affine | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.input_affine: Any = input_affine
        self.output_affine: Any = output_affine
        for name in self.affines:
            if getattr(self, name) is None:
                raise ValueError(
                    f"Layer '{self.name}' ({type(self).__name__}) needs `{name}`, the scale and "
                    f"zero point of its {name.partition('_')[0]}. Received: {name}=None"
                )
        found = (*self.input_affines, *([] if output_affine is None else [output_affine]))
        widths = (8, 16) if self.takes_int16 else (8,)
        bits = {affine.bits for affine in found}
        if len(bits) > 1 or not bits.issubset(widths):
            raise ValueError(
                f"The integers of layer '{self.name}' ({type(self).__name__}) must all have one of "
                f"these numbers of bits: {widths}. Received: {found}"
            )

    @property
    def input_affines(self) -> tuple[Affine, ...]:
        """Tuple of the `Affine` of each integer input."""
        if self.input_affine is None:
            return ()
        single = isinstance(self.input_affine, Affine)
        return (self.input_affine,) if single else tuple(self.input_affine)

    @property
    def input_bits(self) -> int:
        return max((affine.bits for affine in self.input_affines), default=32)

    @property
    def output_dtype(self) -> str:
        return "float32" if self.output_affine is None else self.output_affine.dtype

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            name: keras.saving.serialize_keras_object(getattr(self, name)) for name in self.affines
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> IntegerLayer:
        revived = dict(config)
        for name in set(cls.affines) & set(config):
            value = keras.saving.deserialize_keras_object(config[name])
            revived[name] = tuple(value) if isinstance(value, list) else value
        return cls(**revived)


class ClampedLayer(IntegerLayer):
    """Base of the integer layers with a fused clamp, for ReLU.

    Args:
        output_min: Smallest value of the output: its zero point where a ReLU is fused. Defaults
            to the smallest integer.
        output_max: Largest value of the output. Defaults to the largest integer.
        **kwargs: The arguments of `IntegerLayer`.
    """

    def __init__(
        self, *, output_min: int | None = None, output_max: int | None = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        affine: Affine = self.output_affine
        low = affine.minimum if output_min is None else output_min
        high = affine.maximum if output_max is None else output_max
        clamp = standardize_output_range(low, high, affine.dtype)
        self.output_min, self.output_max = clamp["output_min"], clamp["output_max"]

    @property
    def clamp(self) -> dict[str, int]:
        """The range of the output, as the ops take it."""
        return {"output_min": self.output_min, "output_max": self.output_max}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.clamp}


class PairLayer(ClampedLayer):
    """Base of the integer layers that combine two tensors of integers, whose shapes broadcast.

    Args:
        **kwargs: `input_affine` (a pair of `Affine`, one for each input), `output_affine`, and the
            arguments of `ClampedLayer`.
    """

    @property
    def quantization(self) -> dict[str, Any]:
        """Scales and zero points of both inputs and of the output, as the ops take them."""
        first, second = self.input_affines
        return {
            "scale0": first.scale,
            "scale1": second.scale,
            "zero_point0": first.zero_point,
            "zero_point1": second.zero_point,
            "output_scale": self.output_affine.scale,
            "output_zero_point": self.output_affine.zero_point,
        }

    def compute_output_shape(self, *input_shapes: Any) -> Any:
        return broadcast_shapes(*input_shapes)


class AverageLayer(IntegerLayer):
    """Base of the integer layers that average one tensor at the scale of the output."""

    @property
    def quantization(self) -> dict[str, Any]:
        """Scales and zero points of input and output, as the ops take them."""
        return {
            "input_scale": self.input_affine.scale,
            "input_zero_point": self.input_affine.zero_point,
            "output_scale": self.output_affine.scale,
            "output_zero_point": self.output_affine.zero_point,
        }
