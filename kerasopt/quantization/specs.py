"""Specs: the formats of a layer's tensors, and the granularity of scales."""

import dataclasses

import keras

from kerasopt.quantization.formats import FloatFormat, Format

_DYNAMIC = (None, "tensor", "row")


@keras.saving.register_keras_serializable(package="kerasopt")
@dataclasses.dataclass(frozen=True)
class Spec:
    """How a layer is quantized.

    | alias | weights | activations |
    | --- | --- | --- |
    | `"int8"` | 8 bits per channel | 8 bits, static ranges |
    | `"int8_dynamic"` | 8 bits per channel | 8 bits, the range of each row that `Dense` reads |
    | `"int8_weight_only"` | 8 bits per channel | float |
    | `"int16x8"` | 8 bits per channel | 16 bits, symmetric |
    | `"int4"` | 4 bits per channel | 8 bits |
    | `"int4_weight_only"` | 4 bits per channel | float |
    | `"ternary"`, `"ternary_weight_only"` | -1, 0, 1 per channel | 8 bits, float |
    | `"binary"` | -1, 1 per channel | -1, 1 |
    | `"binary_int8"`, `"binary_weight_only"` | -1, 1 per channel | 8 bits, float |
    | `"float16"`, `"bfloat16"` | 16 bits | 16 bits |

    Example:

    ```python
    spec = ko.quantization.Spec(weights=ko.quantization.Format(4, symmetric=True), granularity=64)
    ko.callbacks.QuantizationAware(spec)
    ```

    Args:
        weights: `Format` or `FloatFormat` of kernels; `None`: not quantized.
        activations: The same for inputs and outputs.
        granularity: Which weights of a kernel share a scale: `"channel"` (those of an output
            channel), `"tensor"` (all), or an integer, the size of groups along the input axis in
            each channel (depthwise kernels, which have no input axis, get one scale per channel).
        dynamic: `None` if activation ranges are static, set by training or calibration; `"tensor"`
            or `"row"` (the last axis) if the range of each tensor or row is computed dynamically
            from its values.

    Raises:
        ValueError: If an argument is invalid.
    """

    weights: Format | FloatFormat | None = Format(8, symmetric=True)
    activations: Format | FloatFormat | None = Format(8)
    granularity: str | int = "channel"
    dynamic: str | None = None

    def __post_init__(self):
        for name in ("weights", "activations"):
            if not isinstance(getattr(self, name), (Format, FloatFormat, type(None))):
                raise ValueError(
                    f"`{name}` must be a `kerasopt.quantization.Format`, a `FloatFormat` or "
                    f"`None`. Received: {name}={getattr(self, name)!r}"
                )
        size = self.granularity
        is_size = type(size) is int and size > 1
        if not is_size and size not in ("channel", "tensor"):
            raise ValueError(
                '`granularity` must be "channel", "tensor" or a group size, an integer above 1. '
                f"Received: granularity={size!r}"
            )
        if self.dynamic not in _DYNAMIC:
            raise ValueError(
                f"`dynamic` must be one of {_DYNAMIC}. Received: dynamic={self.dynamic!r}"
            )
        if self.dynamic and (not isinstance(self.activations, Format) or self.activations.bits < 2):
            raise ValueError(
                "`dynamic` is supported only for integer activations of 2 bits or more. Received: "
                f"activations={self.activations}, dynamic={self.dynamic!r}"
            )

    def get_config(self) -> dict:
        return {
            "weights": keras.saving.serialize_keras_object(self.weights),
            "activations": keras.saving.serialize_keras_object(self.activations),
            "granularity": self.granularity,
            "dynamic": self.dynamic,
        }

    @classmethod
    def from_config(cls, config: dict) -> "Spec":
        formats = ("weights", "activations")
        load = keras.saving.deserialize_keras_object
        return cls(**{k: load(v) if k in formats else v for k, v in config.items()})


def _integers(bits: int) -> Format:
    return Format(bits, symmetric=True)


ALIASES = {
    "int8": Spec(),
    "int8_dynamic": Spec(activations=_integers(8), dynamic="row"),
    "int8_weight_only": Spec(activations=None),
    "int16x8": Spec(activations=_integers(16)),
    "int4": Spec(_integers(4)),
    "int4_weight_only": Spec(_integers(4), None),
    "ternary": Spec(_integers(2)),
    "ternary_weight_only": Spec(_integers(2), None),
    "binary": Spec(_integers(1), _integers(1)),
    "binary_int8": Spec(_integers(1)),
    "binary_weight_only": Spec(_integers(1), None),
    "float16": Spec(FloatFormat("float16"), FloatFormat("float16")),
    "bfloat16": Spec(FloatFormat("bfloat16"), FloatFormat("bfloat16")),
}


def get(identifier) -> Spec:
    """Returns a spec, given an alias (such as `"int8"`), a config or a spec."""
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, str) and identifier in ALIASES:
        return ALIASES[identifier]
    if isinstance(identifier, Spec):
        return identifier
    raise ValueError(
        f"`spec` must be a `kerasopt.quantization.Spec` or one of {sorted(ALIASES)}. "
        f"Received: spec={identifier!r}"
    )
