"""Base of the layers that `kerasopt.convert` makes: they compute, and answer for themselves."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
from typing import Any

import keras
import numpy as np

from kerasopt.keras_internals.saving import is_reading_file
from kerasopt.keras_internals.variables import set_values, without_values

# Weights from this size on are allocated when the file is found to have them.
_SMALL = 2**20
# Arrays from this size on are worth a look through the whole heap.
_LARGE = 4 * 2**20


class InferenceLayer(keras.layers.Layer):
    """Base of the layers that only compute: no training, no automatic casts, no masks.

    A few bytes of a config can ask for all memory there is. So while a model is made from a file,
    large weights are without values, until the arrays of the file are seen to fit.

    Args:
        **kwargs: The arguments of `keras.layers.Layer`.

    Attributes:
        stored_names: Of a class, the attributes whose arrays are in files, under these names;
            `None`: all variables, in their order.
        takes_int16: Of a class, whether its layers may compute with integers of 16 bits.
        is_opened: Of a class, whether its calls of other layers are seen in graphs.
        reads_indices: Of a class, whether it reads indices, which are not cast to float32.
        weight_format: String, how its kernel is stored; `None` without one.
        output_dtype: String, the dtype of its output.
    """

    stored_names: tuple[str, ...] | None = None
    takes_int16 = False
    is_opened = False
    reads_indices = False
    weight_format: str | None = None

    def __init__(self, **kwargs: Any):
        kwargs.setdefault("dtype", "float32")
        super().__init__(trainable=kwargs.pop("trainable", False), **kwargs)
        self.supports_masking = True

    @property
    def output_dtype(self) -> str:
        return "float32"

    @property
    def input_bits(self) -> int:
        """Bits of one value of its input, as it is multiplied."""
        return 32

    @property
    def parts(self) -> dict[str, Any]:
        """What it computes with, by name: variables, or what is packed in one."""
        return {variable.name: variable for variable in self.variables}

    @property
    def bytes(self) -> int:
        """The bytes that its weights take."""
        return sum(
            math.prod(variable.shape) * np.dtype(variable.dtype).itemsize
            for variable in self.variables
        )

    def build(self, *input_shapes: Any) -> None:
        pass

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return None  # what needs a mask has it as an argument

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        # By the shapes: a call would need values of the weights.
        shapes = [x.shape for x in keras.tree.flatten(args)]
        return keras.KerasTensor(self.compute_output_shape(*shapes), self.output_dtype)

    def add_weight(self, shape: Any = None, *args: Any, **kwargs: Any) -> keras.Variable:
        size = math.prod(shape or ()) * np.dtype(kwargs.get("dtype") or "float32").itemsize
        kwargs = {"initializer": "zeros", "trainable": False, **kwargs}
        add = functools.partial(super().add_weight, shape, *args, **kwargs)
        return without_values(add) if size >= _SMALL and is_reading_file() else add()

    def set_arrays(self, *args: Any, **kwargs: Any) -> None:
        """Sets the weights to arrays, in the order of their names in files."""
        for variable, array in zip(self._stored().values(), args, strict=True):
            set_values(variable, array)

    def save_own_variables(self, store: Any) -> None:
        for name, weight in self._stored().items():
            store[name] = weight.numpy()

    def load_own_variables(self, store: Any) -> None:
        arrays = [self._array(store, key, weight) for key, weight in self._stored().items()]
        size = sum(array.nbytes for array in arrays)
        self.set_arrays(*arrays)
        del arrays  # before what they took is given back
        _release(size)

    def quantize(self, mode: Any = None, config: Any = None, **kwargs: Any) -> None:
        raise ValueError(f"Layer '{self.name}' is already converted. Received: mode={mode}")

    def _stored(self) -> dict[str, Any]:
        if self.stored_names is None:
            return {str(index): variable for index, variable in enumerate(self.variables)}
        return {name: getattr(self, name) for name in self.stored_names}

    def _array(self, store: Any, key: str, weight: Any) -> np.ndarray:
        """Returns the array of a file for a weight.

        Raises:
            ValueError: If the file has none, or one of another shape or dtype, which would be cast.
        """
        found = store[key] if key in store.keys() else None
        if found is None or (found.shape, found.dtype) != (weight.shape, weight.dtype):
            received = "nothing" if found is None else f"{found.dtype} of shape {found.shape}"
            raise ValueError(
                f"The file is damaged, or another version of kerasopt wrote it: "
                f"'{getattr(weight, 'name', key)}' of layer '{self.name}' must be {weight.dtype} "
                f"of shape {weight.shape}. Received: {received}"
            )
        return found[...]


def _release(size: int) -> None:
    """Gives memory that the C library keeps from reading `size` bytes back to the system.

    Kernels lie in a file as they were before packing. What was allocated for them is free, but
    glibc, having met large blocks once, keeps blocks of that size for itself.
    """
    if size < _LARGE:
        return
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)
