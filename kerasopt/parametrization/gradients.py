"""Surrogate gradients."""

import keras


def with_gradient_of(surrogate, value):
    """Returns exactly `value`, with the gradient of `surrogate`.

    With the input of a function as `surrogate` this is the straight-through
    estimator (Bengio et al. 2013, https://arxiv.org/abs/1308.3432).

    Args:
        surrogate: Float tensor that receives the gradient.
        value: Float tensor of the same shape, which gets no gradient.
    """
    return _with_gradient_of(surrogate, keras.ops.stop_gradient(value))


@keras.ops.custom_gradient
def _with_gradient_of(surrogate, value):
    def grad(*args, upstream=None):
        if upstream is None:
            (upstream,) = args
        return upstream, keras.ops.zeros_like(upstream)

    return value, grad
