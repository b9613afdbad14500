"""Min-max quantization of weights."""

import keras

from kerasopt.axis import Choices
from kerasopt.graph.channels import Channels
from kerasopt.quantization.formats import Format
from kerasopt.quantization.quantizer import Quantizer


class WeightQuantizer(Quantizer):
    """Integers that span the values of each channel (alias `"minmax"`).

    Symmetric formats have the scale

        scale = max|w| / maximum,  zero_point = 0

    and asymmetric ones that of `Format.affine` for the smallest and the largest
    w. The scale is computed from the weight in every step, so it is not stored;
    a channel of zeros (up to 1e-30) has scale 1. Zeros stay zero. The gradient
    is that of `Quantizer.round`: 1, since nothing is clamped.

    Subclasses compute other scales (`affine`), or round differently
    (`rounded`).

    ```python
    layer = keras.layers.Dense(10)
    layer.build((None, 64))
    ko.parametrize(layer, "kernel", ko.quantization.WeightQuantizer())
    layer.kernel  # rounded to 255 values in each column
    ```

    Args:
        axis: Integer or tuple of integers, the channel axes of the weight,
            along which every index has its own scale. `None` for a single
            scale.
        format: A `Format`. Defaults to 8 bits, symmetric.
        group: Pair of another axis and a group size that divides its length:
            neighbours in a group share a scale. `None`: no groups.
        enabled: Boolean, whether it rounds from the start.

    Attributes:
        channels: `Channels`, the weight as a matrix with one column for each scale.

    Reference:
        Jacob et al., "Quantization and Training of Neural Networks for
        Efficient Integer-Arithmetic-Only Inference" (2018,
        https://arxiv.org/abs/1712.05877).
    """

    default_format = Format(8, symmetric=True)

    def __init__(self, axis=-1, format=None, group=None, enabled=True, name=None, **kwargs):
        super().__init__(format, enabled, name, **kwargs)
        self.axis = tuple(axis) if isinstance(axis, (list, tuple)) else axis
        self.group = None if group is None else tuple(group)

    def build(self, input_shape):
        super().build(input_shape)
        axes = () if self.axis is None else self.axis
        axes = (axes,) if isinstance(axes, int) else axes
        self.channels = Channels(input_shape, axes, self.group)

    def affine(self, values):
        """Returns scales and zero points of `values`, a matrix with one column per scale."""
        low, high = keras.ops.min(values, axis=0), keras.ops.max(values, axis=0)
        return self.format.affine(low, high)

    def rounded(self, values):
        """Returns `values`, a matrix with one column per scale, rounded to the grid."""
        scale, zero_point = self.affine(keras.ops.stop_gradient(values))
        return self.round(values, scale, zero_point)

    def codes(self, weight):
        """Returns the integers of `weight`, with their scales and zero points.

        Args:
            weight: Float32 tensor of the shape that the quantizer was built for.

        Returns:
            Three float32 tensors: whole numbers of the weight's shape, and scales and zero
            points, each in a shape that broadcasts to it.
        """
        channels = self.channels
        values = channels.split(keras.ops.convert_to_tensor(weight))
        scale, zero_point = self.affine(values)
        integers = keras.ops.round(self.rounded(values) / scale) + zero_point
        return channels.merge(integers), channels.spread(scale), channels.spread(zero_point)

    def call(self, inputs):
        rounded = self.channels.merge(self.rounded(self.channels.split(inputs)))
        return keras.ops.where(self.enabled.value, rounded, inputs)

    def arguments(self):
        return {**super().arguments(), "axis": self.axis, "group": self.group}


WEIGHT_QUANTIZERS = Choices("weight_quantizer", WeightQuantizer)
WEIGHT_QUANTIZERS.register("minmax")(WeightQuantizer)
