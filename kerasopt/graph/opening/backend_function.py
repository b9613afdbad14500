"""A function of TensorFlow that the code of a layer calls."""

from __future__ import annotations

import functools
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="kerasopt")
class BackendFunction(keras.Operation):
    """Computes a function of TensorFlow, which is none of `keras.ops`.

    Args:
        function: String, its path in the module `tensorflow`: `"linalg.band_part"`.
        name: String.
    """

    def __init__(self, function: str, name: str | None = None):
        super().__init__(name=name)
        self.function = function

    def call(self, *args: Any, **kwargs: Any) -> Any:
        import tensorflow as tf

        return functools.reduce(getattr, self.function.split("."), tf)(*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "function": self.function}
