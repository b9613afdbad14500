"""Rounding with a learned step."""

import keras

from kerasopt import ops
from kerasopt.parametrization import with_gradient_of
from kerasopt.quantization.formats import Format

# A step does not fall below this fraction of its initial value, or it could cross zero.
_SMALLEST_RATIO = 1e-4
# Gradients of numbers in tiny units are huge; they are bounded so that Adam can square them.
_LARGEST_GRADIENT = 1e15


class LearnedNumber:
    """Numbers that are trained in units of their initial value.

        value = unit * ratio

    The ratio is trained. For a gradient g of the value it gets `g / unit`: SGD then changes the
    value by `learning_rate * g`. Adam, whose steps are about as large as the learning rate, changes
    it by that fraction of the unit, so a small value is not overwhelmed.

    Args:
        quantizer: The layer that owns the variables.
        name: String.
        shape: Tuple of integers.

    Attributes:
        ratio: Trainable float32 variable.
    """

    def __init__(self, quantizer: keras.Layer, name: str, shape=()):
        options = {"shape": shape, "initializer": "ones", "autocast": False}
        self.unit = quantizer.add_weight(trainable=False, name=f"{name}_unit", **options)
        self.ratio = quantizer.add_weight(name=f"{name}_ratio", **options)

    def start(self, value, unit) -> None:
        """Sets the value and its unit."""
        self.unit.assign(unit)
        self.ratio.assign(value / unit)

    def value(self, slowness=1.0):
        """Returns the numbers as a tensor, whose gradient is divided by `slowness`."""
        unit, ratio = (keras.ops.convert_to_tensor(each) for each in (self.unit, self.ratio))
        # A product, since TensorFlow would treat a bare variable as a captured one.
        moved = _with_bounded_gradient(ratio * 1.0) / (slowness * unit)
        return with_gradient_of(moved, unit * ratio)


@keras.ops.custom_gradient
def _with_bounded_gradient(x):
    def grad(*args, upstream=None):
        if upstream is None:
            (upstream,) = args
        # NaN is kept, so that it can be detected.
        too_large = keras.ops.abs(upstream) > _LARGEST_GRADIENT
        return keras.ops.where(too_large, keras.ops.sign(upstream) * _LARGEST_GRADIENT, upstream)

    return x, grad


def positive(step: LearnedNumber, slowness=1.0):
    """Returns the value of a step, kept above zero."""
    smallest = keras.ops.convert_to_tensor(step.unit) * _SMALLEST_RATIO
    return keras.ops.maximum(step.value(slowness), smallest)


def round_with_learned_step(values, step, zero_point, offset, format: Format, enabled):
    """Rounds values to a grid of integers, with gradients for the step and the offset.

        q = clamp(rint(x / step) + z)
        y = (q - z) * step

    | | within the range | clamped |
    | --- | --- | --- |
    | dy/dx | 1 | 0 |
    | dy/dstep, symmetric | q - x / step | q |
    | dy/dstep, asymmetric | q - z - x / step | q - minimum |
    | dy/doffset | 0 | 1 |

    Args:
        values: Float32 tensor.
        step: Float32 tensor: a scalar, or of the last axis of `values`. Positive.
        zero_point: Float32 tensor of this shape, z.
        offset: Float32 scalar tensor, at most 0: the value of the lowest integer.
        format: A `Format`.
        enabled: Boolean scalar tensor; if false, the values are returned unchanged.

    Returns:
        Float32 tensor of the shape of `values`.

    References:
        - Esser et al., "Learned Step Size Quantization" (2020,
          https://arxiv.org/abs/1902.08153), equations 1 to 3 and section 2.2.
        - Bhalgat et al., "LSQ+: Improving low-bit quantization through learnable offsets and
          better initialization" (2020, https://arxiv.org/abs/2004.09576), equations 4 to 6.
    """
    zeros, limits = keras.ops.zeros_like, {"qmin": format.minimum, "qmax": format.maximum}

    @keras.ops.custom_gradient
    def rounded(values, step, zero_point, offset, enabled):
        scale = step * enabled  # rounding is off at a scale of 0

        def grad(*args, upstream=None):
            if upstream is None:
                (upstream,) = args
            passed, by_step, clamped = ops.learned_scale_gradients(
                upstream, values, scale, zero_point, **limits
            )
            if format.symmetric:
                by_offset = zeros(offset)
            else:
                by_step = by_step + (zero_point - format.minimum) * clamped
                by_offset = clamped
            return passed, by_step, zeros(zero_point), by_offset, zeros(enabled)

        return ops.fake_quantize(values, scale, zero_point, **limits), grad

    enabled = keras.ops.cast(enabled, "float32")
    return rounded(values, step, zero_point, offset, enabled)
