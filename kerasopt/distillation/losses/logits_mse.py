"""Mean squared error of logits."""

from keras import ops

from kerasopt.distillation.losses.class_loss import ClassLoss
from kerasopt.distillation.losses.loss import LOSSES


@LOSSES.register("logits_mse", name="distillation>LogitsMSE")
class LogitsMSE(ClassLoss):
    """Mean squared error between the logits of student and teacher, each less their mean.

    With the logits `t` of the teacher and `s` of the student, it is

        mean(((t - mean(t)) - (s - mean(s))) ** 2)

    over the classes, after Kim et al., "Comparing Kullback-Leibler Divergence and Mean Squared
    Error Loss in Knowledge Distillation" (2021, https://arxiv.org/abs/2105.08919). They do not
    subtract the means; here logits that differ by a constant are the same, as for the softmax,
    so probabilities give the same loss. The limit of `KLDivergence` for high temperatures is half
    of it. Take it where the student is large enough to follow the teacher's logits, and the
    teacher's labels are clean: it weighs all classes alike, however unlikely.

    ```python
    loss = ko.distillation.LogitsMSE()
    loss(teacher.predict(x), model.predict(x))  # the logits of both

    model.fit(x, y, callbacks=[ko.callbacks.Distillation(teacher, loss="logits_mse", alpha=0.5)])
    ```

    Args:
        from_logits: Whether the student's outputs are logits, not probabilities.
        teacher_from_logits: The same for the teacher's outputs. `None`: as for the student.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss. `None`: the alias.
        standardize: As in `KLDivergence`.

    Raises:
        ValueError: When called, if there are fewer than two classes, or three with `standardize`.
    """

    options = ("standardize",)

    def __init__(
        self,
        from_logits: bool = True,
        teacher_from_logits: bool | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        standardize: bool = False,
    ):
        super().__init__(1.0, from_logits, teacher_from_logits, reduction, name, standardize)

    def call(self, y_true, y_pred):
        """Computes the error of each sample.

        Args:
            y_true: The teacher's outputs, of shape `(..., classes)`.
            y_pred: The student's outputs, of the same shape.

        Returns:
            A float32 tensor of shape `(...)`.
        """
        teacher, student = self.softened(y_true, y_pred)
        return ops.var(teacher - student, axis=-1)

    def get_config(self) -> dict:
        config = super().get_config()
        del config["temperature"]
        return config
