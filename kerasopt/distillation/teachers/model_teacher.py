"""A Keras model as the teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from kerasopt import graph
from kerasopt.distillation.outputs import Output, outputs_of
from kerasopt.distillation.teachers.steadiness import require_steady
from kerasopt.distillation.teachers.teacher import NoWeights, Teacher
from kerasopt.training.taps import Place, Probes, Tap, find, images_by_size


class ModelTeacher(Teacher):
    """A trained model that runs in inference mode and is never changed.

    ```python
    scaled = ko.distillation.ModelTeacher(teacher, preprocess=keras.layers.Rescaling(2.0, -1.0))
    model.fit(x, y, callbacks=[ko.callbacks.Distillation(scaled)])
    ```

    Images of another size than the teacher takes are resized.

    Args:
        model: A built `keras.Model`.
        preprocess: Function, or layer, from the inputs of the student to those of the teacher, of
            `keras.ops`. `None`: they are the same.

    Raises:
        TypeError: If `model` is not a `keras.Model`.
        ValueError: If it is not built.
    """

    def __init__(self, model: keras.Model, preprocess: Callable[[Any], Any] | None = None):
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
        self.name = model.name
        self.preprocess = preprocess

    def begin(self, student: keras.Model) -> None:
        ours = {id(weight) for weight in self.model.weights}
        if student is self.model or (ours and ours == {id(weight) for weight in student.weights}):
            raise ValueError(
                "`teacher` must not share all of its weights with the model: pass a trained copy "
                "(`keras.models.clone_model`, then `set_weights`). Received: "
                f"teacher={self.name}, and the model {student.name}"
            )
        require_steady(self, student)

    def read(self, x: Any, places: Sequence[Place] = ()) -> tuple[Any, list[Any]]:
        """Returns the outputs for inputs `x`, and the tensors of places, without gradients.

        Raises:
            ValueError: If the model cannot be called on `x`.
        """
        before = len(self.model.variables)
        probes = Probes(places)
        with probes.reading():
            try:
                outputs = self.model(self._prepared(x), training=False)
            except Exception as error:
                raise ValueError(
                    f"`teacher` cannot be called on the inputs of the model: {_brief(error)} "
                    f"Received: teacher={self.name} with inputs {_needed(self.model)}, and a batch "
                    f"with {_described(x)}"
                ) from error
            features = probes.take()
        if len(self.model.variables) > before:
            raise NoWeights(
                "Some layers of `teacher` had no weights before this training: train it, load its "
                f"weights, or call it on data first. Received: teacher={self.name}"
            )
        return keras.tree.map_structure(keras.ops.stop_gradient, (outputs, features))

    def _prepared(self, x: Any) -> Any:
        x = x if self.preprocess is None else self.preprocess(x)
        inputs = getattr(self.model, "inputs", None) or []
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or len(keras.tree.flatten(x)) != 1:
            return x
        image = keras.tree.flatten(x)[0]
        spatial = slice(2, 4) if self.channels_first else slice(1, 3)
        size = tuple(inputs[0].shape[spatial])
        if None in size or len(image.shape) != 4 or tuple(image.shape[spatial]) == size:
            return x
        data_format = "channels_first" if self.channels_first else "channels_last"
        resized = keras.ops.image.resize(image, size, antialias=True, data_format=data_format)
        return keras.tree.pack_sequence_as(x, [resized])

    @property
    def known_outputs(self) -> Any:
        functional = graph.functional_of(self.model)
        return None if functional is None else functional.output

    def outputs_of(self, structure: Any) -> list[Output]:
        return outputs_of(self.model, structure)

    def find(self, tap: Tap) -> Place:
        return find(self.model, tap)

    def images_by_size(self, sample: Any) -> dict[tuple[int, ...], Place]:
        return images_by_size(self.model, self._prepared(sample))

    def variables_beside(self, student: keras.Model) -> list[keras.Variable]:
        known = {id(variable) for variable in student.variables + student.metrics_variables}
        return [variable for variable in self.model.variables if id(variable) not in known]

    @property
    def channels_first(self) -> bool:
        return graph.is_channels_first(self.model)


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
