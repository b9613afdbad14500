"""Rounding with a step that is learned."""

import keras

from kerasopt.quantization.formats import Format

# Below this a step is no longer moved: it would cross zero.
SMALLEST_STEP = 1e-9


def round_with_learned_step(values, step, offset, format: Format, slowness):
    """Rounds values to integers, with gradients for the step and the offset.

        z = clamp(rint(minimum - offset / step)), or 0 if symmetric
        q = clamp(rint(x / step) + z)
        y = (q - z) * step

    | | within the range | clamped |
    | --- | --- | --- |
    | dy/dx | 1 | 0 |
    | dy/dstep, symmetric | q - x / step | q |
    | dy/dstep, asymmetric | q - z - x / step | q - minimum |
    | dy/doffset | 0 | 1 |

    The gradients of step and offset are divided by `slowness`.

    Args:
        values: Float32 tensor.
        step: Float32 tensor: a scalar, or of the last axis of `values`. Positive.
        offset: Float32 scalar tensor, what the lowest integer stands for, of at most 0.
        format: A `Format`.
        slowness: Positive float32 scalar tensor, `sqrt(N * Q)` in the paper, with N values
            that share a step, and the largest integer Q.

    Returns:
        Float32 tensor of the shape of `values`.

    References:
        - Esser et al., "Learned Step Size Quantization" (2020,
          https://arxiv.org/abs/1902.08153), equations 1 to 3 and section 2.2.
        - Bhalgat et al., "LSQ+: Improving low-bit quantization through learnable offsets and
          better initialization" (2020, https://arxiv.org/abs/2004.09576), equations 4 to 6.
    """
    ops = keras.ops
    low, high = float(format.minimum), float(format.maximum)

    def zero(step, offset):
        if format.symmetric:
            return ops.zeros_like(step)
        return ops.clip(ops.round(low - offset / step), low, high)

    @ops.custom_gradient
    def rounded(values, step, offset, slowness):
        zero_point = zero(step, offset)
        codes = ops.clip(ops.round(values / step) + zero_point, low, high)

        def grad(*args, upstream=None):
            if upstream is None:
                (upstream,) = args
            scaled = values / step
            inside = ops.equal(codes, ops.round(scaled) + zero_point)
            base = 0.0 if format.symmetric else low
            by_step = ops.where(inside, codes - zero_point - scaled, codes - base)
            axes = tuple(range(len(values.shape) - len(step.shape)))
            clamped = ops.where(inside, ops.zeros_like(upstream), upstream)
            return (
                upstream - clamped,
                ops.sum(upstream * by_step, axis=axes) / slowness,
                ops.zeros_like(offset) if format.symmetric else ops.sum(clamped) / slowness,
                ops.zeros_like(slowness),
            )

        return (codes - zero_point) * step, grad

    # Not variables: TensorFlow takes those for something that the function closes over.
    return rounded(values, step + 0.0, offset + 0.0, slowness)
