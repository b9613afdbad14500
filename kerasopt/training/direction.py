"""Whether higher or lower values of a metric are better."""

import keras

from kerasopt.keras_internals.training import direction_of

MODES = ("auto", "min", "max")


def metric_direction(model: keras.Model, metric: str, mode: str = "auto") -> str:
    """Returns `"max"` if higher values of a metric are better, or `"min"`.

    Args:
        model: A compiled Keras model that has been evaluated.
        metric: String, a key of the dict that `model.evaluate` returns.
        mode: As in Keras' callbacks: `"min"`, `"max"`, or `"auto"`, with which
            lower losses are better and Keras' own metrics state their
            direction.

    Raises:
        ValueError: If `mode` is none of these, or is `"auto"` and the metric,
            such as a custom function, does not state its direction.
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
            f"It is unknown whether higher or lower values of the metric '{metric}' are better: "
            f"pass mode='max' or mode='min'. Received: metric={metric!r}, mode='auto'"
        )
    return {"up": "max", "down": "min"}[direction]


def _keras_direction(model, name):
    """Returns the direction that Keras states for a logged metric: "up", "down" or `None`."""
    # The metrics passed to `compile` are wrapped in one metric.
    metrics = [part for metric in model.metrics for part in getattr(metric, "metrics", [metric])]
    # A model of several outputs logs "output_accuracy".
    found = [m for m in metrics if name == m.name or name.endswith(f"_{m.name}")]
    if not found:
        return None
    return direction_of(max(found, key=lambda metric: len(metric.name)))
