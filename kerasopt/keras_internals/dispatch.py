"""Functions of TensorFlow that are called on symbolic tensors of Keras."""

import functools
from collections.abc import Callable
from typing import Any

import keras


@functools.cache
def dispatch_functions(to: Callable[[str, tuple, dict], Any]) -> None:
    """Calls a function, from now on, where one of TensorFlow has symbolic tensors of Keras.

    TensorFlow asks, before it raises that they are no tensors. On other backends nothing is done.

    Args:
        to: Function that takes the name of the function (`"linalg.band_part"`), and the arguments
            of the call. It returns `NotImplemented` if the error is to be raised.
    """
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf
    from tensorflow.python.util.tf_export import get_canonical_name_for_symbol

    class Dispatcher(tf.__internal__.dispatch.GlobalOpDispatcher):
        def handle(self, op: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
            flat = keras.tree.flatten((args, kwargs))
            name = get_canonical_name_for_symbol(op)
            if name is None or not any(isinstance(x, keras.KerasTensor) for x in flat):
                return self.NOT_SUPPORTED
            result = to(name, args, kwargs)
            return self.NOT_SUPPORTED if result is NotImplemented else result

    Dispatcher().register()
