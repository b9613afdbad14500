"""A file as the teacher."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kerasopt.distillation.teachers.steadiness import require_steady
from kerasopt.distillation.teachers.teacher import Teacher
from kerasopt.keras_internals.host import called_on_host
from kerasopt.training.taps import Place

Run = Callable[[list[np.ndarray]], list[np.ndarray]]


class FileTeacher(Teacher):
    """A SavedModel, `.tflite` or `.onnx` file that computes the outputs to imitate.

    It runs on the host, outside of the compiled step, on whole batches in float32. If it is much
    larger than the student, cache its outputs instead. What its outputs are cannot be known: pass
    `from_logits` for losses of classes. A `.keras` file is loaded by `keras.saving.load_model`.

    ```python
    ko.export(teacher, "teacher.tflite", format="litert")
    distillation = ko.callbacks.Distillation("teacher.tflite", from_logits=True)
    ```

    Args:
        path: The folder of a SavedModel, or a file. `.onnx` needs onnxruntime, the others
            TensorFlow.

    Raises:
        ValueError: If it is none of these.
    """

    def __init__(self, path: str | os.PathLike):
        self.name = os.fspath(path)
        self._run = _opened(self.name)
        self._specs: dict[tuple, list[tuple[tuple[int, ...], str]]] = {}

    def begin(self, student: keras.Model) -> None:
        require_steady(self, student)

    def read(self, x: Any, places: Sequence[Place] = ()) -> tuple[Any, list[Any]]:
        inputs = keras.tree.flatten(x)
        outputs = called_on_host(self._run, inputs, self._outputs_for(inputs))
        return outputs[0] if len(outputs) == 1 else outputs, []

    def _outputs_for(self, inputs: list[Any]) -> list[tuple[tuple[int, ...], str]]:
        """Returns shapes, for one example, and dtypes of the outputs."""
        key = tuple(tuple(each.shape[1:]) for each in inputs)
        if key not in self._specs:
            dtypes = [keras.backend.standardize_dtype(each.dtype) for each in inputs]
            zeros = [
                np.zeros((1, *(size or 1 for size in each.shape[1:])), dtype)
                for each, dtype in zip(inputs, dtypes, strict=True)
            ]
            self._specs[key] = [(each.shape[1:], each.dtype.name) for each in self._run(zeros)]
        return self._specs[key]


def _opened(path: str) -> Run:
    if os.path.isdir(path):
        return _saved_model(path)
    if path.endswith(".tflite"):
        return _litert(path)
    if path.endswith(".onnx"):
        return _onnx(path)
    raise ValueError(
        "A teacher in a file must be the folder of a SavedModel, or a `.tflite` or `.onnx` file; "
        "load a `.keras` file with `keras.saving.load_model`. Received: "
        f"teacher={path!r}"
    )


def _saved_model(path: str) -> Run:
    import tensorflow as tf

    loaded = tf.saved_model.load(path)  # its variables live as long as it does
    names = sorted(loaded.signatures["serving_default"].structured_input_signature[1])

    def run(inputs: list[np.ndarray]) -> list[np.ndarray]:
        serve = loaded.signatures["serving_default"]
        with tf.init_scope():  # shapes of outputs are asked for while a step is traced
            outputs = serve(**dict(zip(names, map(tf.constant, inputs), strict=True)))
        return [outputs[name].numpy() for name in sorted(outputs)]

    return run


def _litert(path: str) -> Run:
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(model_path=path)

    def run(inputs: list[np.ndarray]) -> list[np.ndarray]:
        for detail, value in zip(interpreter.get_input_details(), inputs, strict=True):
            if tuple(detail["shape"]) != value.shape:
                interpreter.resize_tensor_input(detail["index"], value.shape)
        interpreter.allocate_tensors()
        for detail, value in zip(interpreter.get_input_details(), inputs, strict=True):
            interpreter.set_tensor(detail["index"], _quantized(value, detail))
        interpreter.invoke()
        return [
            _real(interpreter.get_tensor(detail["index"]), detail)
            for detail in interpreter.get_output_details()
        ]

    return run


def _quantized(value: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    scale, zero_point = detail["quantization"]
    if not scale or value.dtype.kind != "f":
        return value.astype(detail["dtype"])
    info = np.iinfo(detail["dtype"])
    return np.clip(np.rint(value / scale) + zero_point, info.min, info.max).astype(detail["dtype"])


def _real(value: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    scale, zero_point = detail["quantization"]
    return (value.astype("float32") - zero_point) * np.float32(scale) if scale else value


def _onnx(path: str) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    return lambda inputs: session.run(None, dict(zip(names, inputs, strict=True)))
