"""The teacher of a distillation."""

import keras


class Teacher:
    """A trained model that runs in inference mode and is never changed.

    Args:
        model: A built `keras.Model`.

    Raises:
        TypeError: If `model` is not a `keras.Model`.
        ValueError: If it is not built.
    """

    def __init__(self, model: keras.Model):
        if not isinstance(model, keras.Model):
            raise TypeError(
                "`teacher` must be a `keras.Model`. "
                f"Received: teacher={model!r} (of type {type(model).__name__})"
            )
        if not model.built:
            raise ValueError(
                f"`teacher` has no weights yet: train it, load its weights, or at least call it "
                f"on data. Received: teacher={model.name}, which is not built"
            )
        self.model = model

    def __call__(self, x):
        """Returns the model's outputs for inputs `x`, without gradients.

        Raises:
            ValueError: If the model cannot be called on `x`.
        """
        before = len(self.model.variables)
        try:
            outputs = self.model(x, training=False)
        except Exception as error:
            raise ValueError(
                f"`teacher` cannot be called on the inputs of the model: {_brief(error)} Received: "
                f"teacher={self.model.name} with inputs {_needed(self.model)}, and a batch with "
                f"{_described(x)}"
            ) from error
        if len(self.model.variables) > before:
            raise ValueError(
                "Some layers of `teacher` had no weights before this training: train it, load its "
                f"weights, or call it on data first. Received: teacher={self.model.name}"
            )
        return keras.tree.map_structure(keras.ops.stop_gradient, outputs)

    def variables_beside(self, student: keras.Model) -> list[keras.Variable]:
        """Returns the variables of the teacher that `student` and its metrics do not have."""
        known = {id(variable) for variable in student.variables + student.metrics_variables}
        return [variable for variable in self.model.variables if id(variable) not in known]

    def check_student(self, student: keras.Model):
        """Raises `ValueError` if `student` is this teacher, or contains all of its weights."""
        ours = {id(weight) for weight in self.model.weights}
        if student is self.model or (ours and ours == {id(weight) for weight in student.weights}):
            raise ValueError(
                "`teacher` must not share all of its weights with the model: pass a trained copy "
                "(`keras.models.clone_model`, then `set_weights`). Received: "
                f"teacher={self.model.name}, and the model {student.name}"
            )


def _needed(model: keras.Model):
    inputs = getattr(model, "inputs", None)
    return {tensor.name: _described(tensor) for tensor in inputs} if inputs else "of its own `call`"


def _described(x):
    def describe(tensor):
        return f"{keras.backend.standardize_dtype(tensor.dtype)}{list(tensor.shape)}"

    return keras.tree.map_structure(describe, x)


def _brief(error: Exception) -> str:
    """Returns an error message without the traces and arguments that Keras adds."""
    text = str(error).strip().split("\n\n")[0].replace("\n", " ")
    return f"{text.rstrip('.')}." if text else f"{type(error).__name__}."
