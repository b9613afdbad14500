"""Data for repeated evaluation of a model."""

from typing import Any

import keras


def evaluation_arguments(data: Any) -> dict[str, Any]:
    """Returns the arguments to evaluate a model on `data`, any number of times.

    Args:
        data: A tuple `(x, y)` or `(x, y, sample_weight)`, or anything else that
            `model.evaluate` takes as `x`.

    Raises:
        ValueError: If `data` is `None`, can be read only once, or is endless.
    """
    if data is None:
        raise ValueError("`data` must be data for `model.evaluate`. Received: data=None")
    if hasattr(data, "__next__"):
        raise ValueError(
            "`data` is read many times, and an iterator or a generator can be read only once. Pass "
            "arrays `(x, y)`, a `tf.data.Dataset` (`from_generator` makes one) or a "
            f"`keras.utils.PyDataset`. Received: data={data!r}"
        )
    if _is_endless(data):
        raise ValueError(
            "`data` must be finite: pass a part of it, such as `dataset.take(100)`. Received: "
            f"data={data!r}, which is endless"
        )
    if isinstance(data, tuple):
        return dict(zip(("x", "y", "sample_weight"), data, strict=False))
    return {"x": data}


def _is_endless(data) -> bool:
    if isinstance(data, keras.utils.PyDataset):
        return data.num_batches is None
    # `tf.data.INFINITE_CARDINALITY`, without TensorFlow.
    return hasattr(data, "cardinality") and int(data.cardinality()) == -1
