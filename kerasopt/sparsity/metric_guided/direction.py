"""Whether a metric is to rise or to fall."""

import keras

from kerasopt.keras_internals.training import direction_of

MODES = ("auto", "min", "max")


def metric_direction(model: keras.Model, metric: str, mode: str = "auto") -> str:
    """Returns `"max"` if higher values of a metric are better, or `"min"`.

    Args:
        model: A compiled Keras model that has been evaluated.
        metric: String, a key of the dict that `model.evaluate` returns.
        mode: As in Keras' callbacks: `"min"`, `"max"`, or `"auto"`, by which
            losses fall and Keras' own metrics say where they go.

    Raises:
        ValueError: If `mode` is none of these, or `"auto"` and the metric does
            not say where it goes, as a function of the user's own.
    """
    if mode not in MODES:
        raise ValueError(f"`mode` must be one of {list(MODES)}. Received: mode={mode!r}")
    if mode != "auto":
        return mode
    if metric == "loss" or metric.endswith("_loss"):
        return "min"
    direction = _keras_direction(model, metric)
    if direction is None:
        raise ValueError(
            f"Whether higher or lower is better is not known of the metric '{metric}': pass "
            f"mode='max' or mode='min'. Received: metric={metric!r}, mode='auto'"
        )
    return {"up": "max", "down": "min"}[direction]


def _keras_direction(model, name):
    """Returns what Keras says of the metric that is logged as `name`: "up", "down" or `None`."""
    # What `compile` was given is one metric that holds the others.
    metrics = [part for metric in model.metrics for part in getattr(metric, "metrics", [metric])]
    # A model of several outputs logs "output_accuracy".
    found = [m for m in metrics if name == m.name or name.endswith(f"_{m.name}")]
    if not found:
        return None
    return direction_of(max(found, key=lambda metric: len(metric.name)))
