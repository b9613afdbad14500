"""The stage of a model's compression, the first criterion for the "best" model."""

import keras

from kerasopt.training.attaching import running

COMPLETE = 2


def compression_stage(model: keras.Model) -> int | None:
    """Returns the joint stage of the callbacks that compress `model` in the current `fit`.

    Reading it synchronizes the model's state on JAX.

    Args:
        model: The model in training.

    Returns:
        0 if none of them has begun to compress, 2 (`COMPLETE`) if all have reached their targets, 1
        in between; `None` if there are none.
    """
    stages = [callback.stage for callback in running(model)]
    stages = [stage for stage in stages if stage is not None]
    if not stages:
        return None
    return min(stages) if min(stages) == max(stages) else 1
