"""Dynamic quantization of activations."""

import keras

from kerasopt import ops
from kerasopt.quantization.formats import Format
from kerasopt.quantization.quantizer import ACTIVATION_QUANTIZERS, Quantizer


@ACTIVATION_QUANTIZERS.register()
class DynamicQuantizer(Quantizer):
    """Dynamic quantization: the scale is computed from the values, also in inference.

    Scale and zero point are those of `Format.affine` for the smallest and the largest value of each
    tensor, or of each row: the values along the last axis, or axes, such as a token or a pixel (in
    a tensor of one axis, each value). No calibration is needed. The gradient is that of
    `Quantizer.round`: 1, since nothing is clamped.

    ```python
    ko.layers.Dense(10, input_quantizer=ko.quantization.DynamicQuantizer(), weight_quantizer="int8")
    ```

    Args:
        format: A `Format` of 2 bits or more. Defaults to 8 bits, symmetric.
        per: `"row"` or `"tensor"`. With `"tensor"` the results depend on the other examples in the
            batch.
        enabled: Boolean, whether it rounds from the start.
        axes: Integer, the number of the last axes whose values are a row.
    """

    default_format = Format(8, symmetric=True)

    def __init__(self, format=None, per="row", enabled=True, axes=1, name=None, **kwargs):
        super().__init__(format, enabled, name, **kwargs)
        if per not in ("row", "tensor"):
            raise ValueError(f'`per` must be "row" or "tensor". Received: per={per!r}')
        self.per = per
        self.axes = axes

    def call(self, inputs):
        values = keras.ops.stop_gradient(inputs)
        if self.per == "tensor":
            low, high = ops.min_max(values)
        elif len(values.shape) <= self.axes:
            low = high = values  # a number for each example: rows of one value
        else:
            last = tuple(range(-self.axes, 0))
            low = keras.ops.min(values, axis=last, keepdims=True)
            high = keras.ops.max(values, axis=last, keepdims=True)
        scale, zero_point = self.format.affine(low, high)
        rounded = self.round(inputs, scale, zero_point)
        return keras.ops.where(self.enabled.value, rounded, inputs)

    def round(self, inputs, scale, zero_point):
        if self.per == "tensor":
            return super().round(inputs, scale, zero_point)
        # The native op supports one scale per index of the last axis, not one per row.
        low, high = self.format.minimum, self.format.maximum
        return ops.reference.fake_quantize(inputs, scale, zero_point, low, high)

    def arguments(self):
        return {**super().arguments(), "per": self.per, "axes": self.axes}
