"""The teacher of a distillation."""

import keras


class Teacher:
    """A trained model that is run in inference mode and never changed.

    Args:
        model: A built `keras.Model`.

    Raises:
        ValueError: If `model` is no `keras.Model`, or not built.
    """

    def __init__(self, model: keras.Model):
        if not isinstance(model, keras.Model) or not model.built:
            raise ValueError(
                f"`teacher` must be a `keras.Model` that is built and trained. Received: {model!r}"
            )
        self.model = model

    def __call__(self, x):
        """The model's outputs for inputs `x`, through which no gradient flows."""
        return keras.tree.map_structure(keras.ops.stop_gradient, self.model(x, training=False))

    def variables_beside(self, student: keras.Model) -> list[keras.Variable]:
        """The variables that the teacher reads and that `student` and its metrics do not have."""
        known = {id(variable) for variable in student.variables + student.metrics_variables}
        return [variable for variable in self.model.variables if id(variable) not in known]

    def check_student(self, student: keras.Model):
        """Raises `ValueError` if `student` cannot learn from this teacher.

        Output shapes are compared where both models know theirs before they see data.
        """
        if student is self.model:
            raise ValueError(
                "`teacher` must be another model than the one that trains; pass a trained copy "
                f"(`keras.models.clone_model`). Received: teacher={self.model.name}"
            )
        outputs, student_outputs = (getattr(m, "outputs", None) for m in (self.model, student))
        if outputs and student_outputs:
            self.check_outputs(outputs, student_outputs)

    def check_outputs(self, outputs, student_outputs):
        """Raises `ValueError` if the outputs differ in structure or shape."""
        try:
            keras.tree.assert_same_structure(outputs, student_outputs)
            same = all(map(_compatible, *map(keras.tree.flatten, (outputs, student_outputs))))
        except (TypeError, ValueError):
            same = False
        if not same:
            raise ValueError(
                "The outputs of `teacher` must have the structure and the shapes of the outputs "
                "of the model that trains; let both end in the same number of classes. "
                f"Received: teacher with {_shapes(outputs)}, model with {_shapes(student_outputs)}"
            )


def _compatible(a, b) -> bool:
    return len(a.shape) == len(b.shape) and all(
        m is None or n is None or m == n for m, n in zip(a.shape, b.shape, strict=True)
    )


def _shapes(outputs):
    return keras.tree.map_structure(lambda tensor: tuple(tensor.shape), outputs)
