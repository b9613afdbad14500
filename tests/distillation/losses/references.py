"""The formulas of the losses in float64, one value a sample, on logits."""

import keras
import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax

CLASS_LOSSES = ["KLDivergence", "Decoupled", "DIST", "LogitsMSE"]
EVERY_LOSS = [*CLASS_LOSSES, "BinaryKLDivergence"]


def z_scores(logits):
    deviation = np.maximum(logits.std(-1, keepdims=True), 0.01)
    return (logits - logits.mean(-1, keepdims=True)) / deviation


def divergence(p, q):
    """Of probabilities given by their logarithms."""
    return (np.exp(p) * (p - q)).sum(-1)


def kl_divergence(t, s, temperature):
    p, q = log_softmax(t / temperature, -1), log_softmax(s / temperature, -1)
    return temperature**2 * divergence(p, q)


def decoupled(t, s, temperature, labels=None, alpha=1.0, beta=8.0):
    labels = t.argmax(-1) if labels is None else labels
    is_target = np.eye(t.shape[-1], dtype=bool)[labels]
    parts = []
    for logits in (t, s):
        logs = log_softmax(logits / temperature, -1)
        others = logs[~is_target].reshape(*logs.shape[:-1], -1)
        rest = np.logaddexp.reduce(others, -1)
        parts.append((np.stack([logs[is_target].reshape(rest.shape), rest], -1), others, rest))
    (binary_t, others_t, rest_t), (binary_s, others_s, rest_s) = parts
    nckd = divergence(others_t - rest_t[..., None], others_s - rest_s[..., None])
    return temperature**2 * (alpha * divergence(binary_t, binary_s) + beta * nckd)


def pearson(a, b):
    """The correlation of each row of two matrices."""
    a, b = (each - each.mean(-1, keepdims=True) for each in (a, b))
    return (a * b).sum(-1) / np.sqrt((a**2).sum(-1) * (b**2).sum(-1))


def dist(t, s, temperature, beta=1.0, gamma=1.0):
    """The mean over the samples."""
    classes = t.shape[-1]
    p, q = (softmax(each / temperature, -1).reshape(-1, classes) for each in (t, s))
    between, within = (1 - pearson(p, q)).mean(), (1 - pearson(p.T, q.T)).mean()
    return temperature**2 * (beta * between + gamma * within)


def logits_mse(t, s):
    difference = t - s
    return ((difference - difference.mean(-1, keepdims=True)) ** 2).mean(-1)


def binary(t, s, temperature):
    t, s = t / temperature, s / temperature
    each = expit(t) * (log_expit(t) - log_expit(s)) + expit(-t) * (log_expit(-t) - log_expit(-s))
    return temperature**2 * each.mean(-1)


def compiled(function):
    """Returns a function of a tensor, compiled by the backend."""
    if keras.config.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function)


def gradient(function, x):
    """Returns the gradient of a scalar function, compiled, as an array."""
    if keras.config.backend() == "jax":
        import jax

        return np.asarray(compiled(jax.grad(function))(x))
    import tensorflow as tf

    @compiled
    def gradients(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return tape.gradient(value, x)

    return gradients(tf.constant(x)).numpy()
