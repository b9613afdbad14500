"""How far the compression of a model has come: what "best" is ranked by first."""

import keras

from kerasopt.training.attaching import running

COMPLETE = 2


def compression_stage(model: keras.Model) -> int | None:
    """Returns how far the callbacks of the `fit` that trains `model` have come, all together.

    Reading it synchronizes the model's state on JAX.

    Args:
        model: The model in training.

    Returns:
        0 while none of them has begun to compress, 2 (`COMPLETE`) when all have reached their
        targets, 1 between; `None` if there are none.
    """
    stages = [callback.stage for callback in running(model)]
    if not stages:
        return None
    return min(stages) if min(stages) == max(stages) else 1
