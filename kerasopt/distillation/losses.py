"""Distillation losses."""

import math

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="kerasopt", name="distillation>KLDivergence")
class KLDivergence(keras.losses.Loss):
    """Divergence of the student's softened class probabilities from the teacher's.

    With the logits `t` of the teacher and `s` of the student and the temperature `T`, it is

        T ** 2 * sum(p * (log(p) - log(q))),  p = softmax(t / T),  q = softmax(s / T)

    after Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (2015,
    https://arxiv.org/abs/1503.02531): a high temperature shows how the teacher ranks the wrong
    classes. Gradients of softened probabilities scale as `1 / T ** 2`; the factor undoes that, so
    that `alpha` keeps its meaning when the temperature changes. Computed in float32 whatever the
    dtype policy.

    Probabilities are turned back into logits by their logarithm, which is right up to a constant
    that softmax ignores.

    ```python
    loss = ko.distillation.KLDivergence(temperature=4.0, from_logits=True)
    loss(teacher_logits, student_logits)
    ```

    Args:
        temperature: `T`, a positive float.
        from_logits: Whether the student's outputs are logits; else they are probabilities.
        teacher_from_logits: The same of the teacher's outputs. `None`: as the student's.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.

    Raises:
        ValueError: If `temperature` is not positive, or the outputs have fewer than two classes
            on their last axis.
    """

    def __init__(
        self,
        temperature: float = 4.0,
        from_logits: bool = True,
        teacher_from_logits: bool | None = None,
        reduction: str = "sum_over_batch_size",
        name: str = "kl_divergence",
    ):
        super().__init__(name=name, reduction=reduction, dtype="float32")
        if not 0 < temperature < math.inf:
            raise ValueError(
                f"`temperature` must be a positive number. Received: temperature={temperature!r}"
            )
        self.temperature = float(temperature)
        self.from_logits = from_logits
        self.teacher_from_logits = (
            from_logits if teacher_from_logits is None else teacher_from_logits
        )

    def call(self, y_true, y_pred):
        """Computes the divergence of each sample.

        Args:
            y_true: The teacher's outputs, of shape `(..., classes)`.
            y_pred: The student's outputs, of the same shape.

        Returns:
            A float32 tensor of shape `(...)`.
        """
        if y_pred.shape[-1] == 1:
            raise ValueError(
                "`KLDivergence` compares probabilities over two or more classes on the last axis. "
                "For one output unit pass another `loss`, such as "
                f"`keras.losses.MeanSquaredError()`. Received: y_pred of shape {y_pred.shape}"
            )
        teacher = self._log_probabilities(y_true, self.teacher_from_logits)
        student = self._log_probabilities(y_pred, self.from_logits)
        return self.temperature**2 * ops.sum(ops.exp(teacher) * (teacher - student), axis=-1)

    def _log_probabilities(self, outputs, from_logits: bool):
        if not from_logits:
            outputs = ops.log(ops.maximum(outputs, float(np.finfo("float32").tiny)))
        return ops.log_softmax(outputs / self.temperature, axis=-1)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "from_logits": self.from_logits,
            "teacher_from_logits": self.teacher_from_logits,
        }


ALIASES: dict[str, type[keras.losses.Loss]] = {"kl_divergence": KLDivergence}


def serialize(loss: keras.losses.Loss) -> dict:
    """The config of a distillation loss, as `keras.losses.serialize` gives it."""
    return keras.saving.serialize_keras_object(loss)


def deserialize(config: dict) -> keras.losses.Loss:
    """The distillation loss of a config that `serialize` returned."""
    return keras.saving.deserialize_keras_object(config)


def get(identifier, **arguments) -> keras.losses.Loss:
    """Resolves a distillation loss, as Keras' `get` functions do.

    Args:
        identifier: An alias such as `"kl_divergence"`, a config dict, or a `keras.losses.Loss`,
            which is called with the teacher's outputs and the student's.
        **arguments: What the class of an alias is constructed with.

    Returns:
        A `keras.losses.Loss`.

    Raises:
        ValueError: If the identifier is none of these.
    """
    if isinstance(identifier, str) and identifier in ALIASES:
        return ALIASES[identifier](**arguments)
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, keras.losses.Loss):
        return identifier
    raise ValueError(
        f"`loss` must be one of {sorted(ALIASES)} or a `keras.losses.Loss`. "
        f"Received: loss={identifier!r}"
    )
