"""Scorers: the difficulty of samples."""

import inspect
import operator

import keras
import numpy as np


def loss_scores(
    teacher: keras.Model, x, y, loss=None, batch_size: int = 128, verbose: int = 1
) -> np.ndarray:
    """Returns the loss of a trained model on every sample (transfer scoring).

    Samples that a trained model gets wrong are difficult (Hacohen and Weinshall, "On The Power of
    Curriculum Learning in Training Deep Networks", ICML 2019, https://arxiv.org/abs/1904.03626).
    The teacher runs in inference mode and is not changed.

    ```python
    scores = ko.curriculum.loss_scores(teacher, x, y)
    data = ko.curriculum.CurriculumDataset(x, y, scores, batch_size=32)
    ```

    Args:
        teacher: A trained model with one output.
        x: Inputs: an array of `n` samples, or a dict, tuple or list of arrays.
        y: Targets, an array of `n` samples.
        loss: The loss: a name, function or `keras.losses.Loss`. `None`: the loss that the teacher
            is compiled with.
        batch_size: Number of samples in one call of the teacher.
        verbose: 0 (silent) or 1 (a progress bar).

    Returns:
        The losses, a float32 array of shape `(n,)`; the mean over all axes but the first.

    Raises:
        ValueError: If the loss is unknown or not a single one, lengths differ, or a loss is not
            finite.
    """
    per_sample = _per_sample_loss(teacher, loss)
    x, y = keras.tree.map_structure(np.asarray, (x, y))
    samples = len(y)
    lengths = [len(array) for array in keras.tree.flatten(x)]
    if any(length != samples for length in lengths):
        raise ValueError(
            "`x` and `y` must have one entry for each sample. "
            f"Received: x of length {lengths}, y of length {samples}"
        )
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be positive. Received: batch_size={batch_size!r}")
    scores = np.empty(samples, dtype="float32")
    progress = keras.utils.Progbar(samples, verbose=verbose, unit_name="sample")
    for start in range(0, samples, batch_size):
        batch = slice(start, start + batch_size)
        inputs = keras.tree.map_structure(operator.itemgetter(batch), x)
        y_pred = teacher.predict_on_batch(inputs)
        losses = keras.ops.convert_to_numpy(per_sample(y[batch], y_pred))
        scores[batch] = losses.reshape(len(losses), -1).mean(axis=1)
        progress.update(min(start + batch_size, samples))
    if not np.isfinite(scores).all():
        raise ValueError(
            "The teacher's loss must be finite on every sample. Received: "
            f"{np.count_nonzero(~np.isfinite(scores))} NaN or infinite losses of {samples}"
        )
    return scores


def _per_sample_loss(teacher: keras.Model, loss):
    loss = teacher.loss if loss is None else loss
    if loss is None or isinstance(loss, (dict, list, tuple)):
        raise ValueError(
            "`loss` must be the loss of the teacher's one output: compile the teacher with it, or "
            f"pass it. Received: loss={loss!r}"
        )
    loss = keras.losses.get(loss)
    if inspect.isclass(loss):
        loss = loss()
    function = loss.call if isinstance(loss, keras.losses.Loss) else loss

    def per_sample(y_true, y_pred):
        return function(
            keras.ops.convert_to_tensor(y_true),
            keras.ops.convert_to_tensor(y_pred, dtype="float32"),
        )

    return per_sample
