"""Rounding with a step that is learned."""

import keras

from kerasopt import ops
from kerasopt.parametrization import with_gradient_of
from kerasopt.quantization.formats import Format

# As large a share of where it began is left of a step at least: it would cross zero.
_SMALLEST_RATIO = 1e-4
# The gradient of a number in tiny units is huge. Its square is still a float32, for Adam's sake.
_LARGEST_GRADIENT = 1e15


class LearnedNumber:
    """Numbers that an optimizer moves in units of their own.

        value = unit * ratio

    The ratio is what is trained. With a gradient g for the value it gets `g / unit`: so SGD moves
    the value by `learning_rate * g`, and Adam, whose steps are as large as the learning rate
    whatever the gradient, by that share of the unit, and not by more than a small step is large.

    Args:
        quantizer: The layer whose variables they are.
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
        """Sets the value, and what it is moved in."""
        self.unit.assign(unit)
        self.ratio.assign(value / unit)

    def value(self, slowness=1.0):
        """Returns the numbers as a tensor, whose gradient is divided by `slowness`."""
        unit, ratio = (keras.ops.convert_to_tensor(each) for each in (self.unit, self.ratio))
        # A product, since TensorFlow takes what is no tensor but a variable for a captured one.
        moved = _with_bounded_gradient(ratio * 1.0) / (slowness * unit)
        return with_gradient_of(moved, unit * ratio)


@keras.ops.custom_gradient
def _with_bounded_gradient(x):
    def grad(*args, upstream=None):
        if upstream is None:
            (upstream,) = args
        # NaN stays, for whoever looks for it.
        too_large = keras.ops.abs(upstream) > _LARGEST_GRADIENT
        return keras.ops.where(too_large, keras.ops.sign(upstream) * _LARGEST_GRADIENT, upstream)

    return x, grad


def positive(step: LearnedNumber, slowness=1.0):
    """Returns the value of a step, which is to stay above zero."""
    smallest = keras.ops.convert_to_tensor(step.unit) * _SMALLEST_RATIO
    return keras.ops.maximum(step.value(slowness), smallest)


def round_with_learned_step(values, step, zero_point, offset, format: Format, enabled):
    """Rounds values to integers, with gradients for the step and the offset.

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
        offset: Float32 scalar tensor, what the lowest integer stands for, of at most 0.
        format: A `Format`.
        enabled: Boolean scalar tensor; if false, the values are returned as they are.

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
