"""How much the student listens to each of several teachers."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasopt.distillation.losses.class_loss import ClassLoss
from kerasopt.distillation.losses.labels import labelled
from kerasopt.distillation.losses.logits_loss import LogitsLoss


def confidence_weights(
    outputs: Sequence[Any], labels: Any, losses: Sequence[keras.losses.Loss]
) -> list[Any]:
    """Returns the weight of each teacher for each sample: the surer of the label, the larger.

    Of `K` teachers, the weight of the k-th is

        (1 - exp(CE[k]) / sum(exp(CE[j]) over j)) / (K - 1)

    with the cross-entropy `CE` of its outputs to the label, after Zhang et al., "Confidence-Aware
    Multi-Teacher Knowledge Distillation" (2022, https://arxiv.org/abs/2201.00007). The weights of a
    sample add up to 1. For outputs with further axes, the cross-entropy is the mean over them.

    ```python
    losses = [ko.distillation.KLDivergence(), ko.distillation.KLDivergence()]
    outputs = np.array([[[4.0, 0.0]], [[0.0, 4.0]]])  # one sample, of which the first is right
    confidence_weights(outputs, np.array([0]), losses)  # [[0.982], [0.018]]
    ```

    Args:
        outputs: The outputs of each teacher, of shape `(batch, ..., classes)`.
        labels: As for `kerasopt.distillation.Decoupled`; for decisions zeros and ones, one for each
            unit. `None`: all teachers count alike.
        losses: The distillation loss for each teacher's outputs, which knows what they are.

    Returns:
        A list: for each teacher a float32 tensor of shape `(batch,)`, or without labels a number.

    Raises:
        ValueError: If a loss compares neither classes nor decisions, or labels do not fit.
    """
    count = len(outputs)
    if labels is None or count == 1:
        return [1 / count] * count
    pairs = zip(outputs, losses, strict=True)
    surprise = ops.stack([_cross_entropy(taught, labels, loss) for taught, loss in pairs])
    weights = (1 - ops.softmax(surprise, axis=0)) / (count - 1)
    return [weights[k] for k in range(count)]


def _cross_entropy(outputs, labels, loss):
    if not isinstance(loss, LogitsLoss):
        raise ValueError(
            "The confidence of teachers is known for losses of classes or decisions, such as "
            f"'kl_divergence' or 'binary'. Take the mean of the teachers. Received: loss={loss}"
        )
    outputs, labels = ops.cast(outputs, "float32"), ops.convert_to_tensor(labels)
    told = loss.teacher_from_logits
    if isinstance(loss, ClassLoss):
        target = ops.cast(labelled(labels, outputs), "float32")
        values = ops.categorical_crossentropy(target, outputs, from_logits=told)
    else:
        labels = ops.reshape(ops.cast(labels, "float32"), ops.shape(outputs))
        values = ops.mean(ops.binary_crossentropy(labels, outputs, from_logits=told), axis=-1)
    return ops.mean(values, axis=tuple(range(1, len(values.shape))))
