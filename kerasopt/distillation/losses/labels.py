"""Labels of classes, as users pass them to `fit`."""

import keras
import numpy as np
from keras import ops


def with_labels(y_true) -> tuple:
    """Returns the teacher's outputs and the labels, `None` if there are none."""
    return y_true if isinstance(y_true, tuple) else (y_true, None)


def labelled(labels, outputs):
    """Returns a boolean tensor of the shape of outputs that marks the labelled class.

    Args:
        labels: Integers of shape `(...)` or `(..., 1)`, or one-hot, of shape `(..., classes)`, in
            any dtype. `None`: the most likely class.
        outputs: Probabilities or logits, of shape `(..., classes)`.

    Raises:
        ValueError: If labels are of another shape; or of other values, if these are known, as
            outside of compiled steps. Where they are not known, nothing is marked.
    """
    count = outputs.shape[-1]
    classes = ops.arange(count, dtype="int32")
    if labels is None:
        return ops.expand_dims(ops.cast(ops.argmax(outputs, axis=-1), "int32"), -1) == classes
    if _is_one_hot(labels, outputs):
        marked, is_other = labels == 1, (labels != 0) & (labels != 1)
        is_label = (ops.sum(ops.cast(marked, "int32"), axis=-1) == 1) & ~ops.any(is_other, axis=-1)
        target = marked & ops.expand_dims(is_label, -1)
    else:
        is_flat = len(labels.shape) < len(outputs.shape)
        column = ops.expand_dims(labels, -1) if is_flat else labels
        target = ops.cast(column, "float32") == ops.cast(classes, "float32")
    _check_values(labels, ops.any(target, axis=-1), count)
    return target


def _is_one_hot(labels, outputs) -> bool:
    shape, wanted = tuple(labels.shape), tuple(outputs.shape)
    last = shape[len(wanted) - 1 :]
    leading = zip(shape, wanted[:-1], strict=False)
    alike = all(None in pair or pair[0] == pair[1] for pair in leading)
    if len(shape) < len(wanted) - 1 or last not in ((), (1,), wanted[-1:]) or not alike:
        raise ValueError(
            f"Labels of {wanted[-1]} classes must be integers of shape {wanted[:-1]} or "
            f"{(*wanted[:-1], 1)}, or one-hot of shape {wanted}. Received: labels of shape {shape}"
        )
    return last == wanted[-1:]


def _check_values(labels, is_label, classes: int) -> None:
    try:
        wrong = ~keras.ops.convert_to_numpy(is_label)
    except (NotImplementedError, TypeError):  # not known in a compiled step
        return
    if wrong.any():
        example = np.asarray(keras.ops.convert_to_numpy(labels))[wrong][0]
        raise ValueError(
            f"Labels of {classes} classes must be integers from 0 to {classes - 1}, or one-hot. "
            f"Received: a label of {example.tolist()}"
        )
