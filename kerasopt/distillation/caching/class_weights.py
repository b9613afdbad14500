"""The weights of samples that follow from those of their classes.

`fit` computes them itself, but not for batches of three elements.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


def weights_of(class_weight: dict[int, float] | None, batch: dict[str, Any]) -> Any:
    """Returns the weights of the samples in a batch, or `None`.

    Args:
        class_weight: Dict of the weight of each class, or `None`.
        batch: Dict of what there is of x, y and sample_weight.

    Raises:
        ValueError: If there are weights of samples, too, or not one array of targets.
    """
    if class_weight is None:
        return batch.get("sample_weight")
    if batch.get("sample_weight") is not None:
        raise ValueError(
            "Pass either `sample_weight` or `class_weight`: multiply the weights of classes into "
            f"those of samples. Received: class_weight={class_weight}, and sample weights"
        )
    labels = keras.tree.flatten(batch.get("y"))
    if len(labels) != 1 or labels[0] is None:
        raise ValueError(
            f"`class_weight` needs one array of targets. Received: class_weight={class_weight}, "
            f"{len(labels)} arrays in y"
        )
    classes = keras.ops.convert_to_numpy(labels[0])
    if classes.ndim > 1:
        classes = classes[..., 0] if classes.shape[-1] == 1 else classes.argmax(axis=-1)
    weights = np.ones(classes.shape, "float32")
    for label, weight in class_weight.items():
        weights[np.rint(classes) == label] = weight
    return weights
