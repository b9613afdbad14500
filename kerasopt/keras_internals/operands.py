"""Binary operators whose right operand is a symbolic tensor: `self.scale * x`."""

import functools
from collections.abc import Callable
from typing import Any

import keras

_OPERATORS = [
    f"__{name}__"
    for name in (
        *("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow"),
        *("and", "or", "xor", "lt", "le", "gt", "ge"),
    )
]


def deferring_operators() -> list[tuple[Any, str, Callable]]:
    """Returns which operators leave the computation to a symbolic tensor on their right.

    Those of variables, tensors and arrays would convert it, and fail, or compute with its value.

    Returns:
        List of a class, the name of an attribute of it, and a function that makes the new attribute
        from the own one.
    """
    found: list[tuple[Any, str, Callable]] = [
        (each, name, _deferring)
        for each in kinds_with("__add__")
        for name in _OPERATORS
        if name in vars(each)
    ]
    # An array leaves it to what says that it has no NumPy functions.
    return [*found, (keras.KerasTensor, "__array_ufunc__", lambda own: None)]


def kinds_with(name: str) -> list[Any]:
    """Returns the classes that define a method of variables and of tensors."""
    kinds = (keras.Variable, *_kinds_of_tensors())
    found = (next((x for x in kind.__mro__ if name in vars(x)), None) for kind in kinds)
    return [each for each in dict.fromkeys(found) if each is not None]


def _kinds_of_tensors() -> list[type]:
    """Returns the classes of tensors of the backend, traced or not."""
    kinds = [type(keras.ops.convert_to_tensor(0.0))]
    if keras.backend.backend() == "jax":
        import jax

        kinds.append(jax.core.Tracer)
    return kinds


def _deferring(own: Callable) -> Callable:
    @functools.wraps(own)
    def operator(left: Any, right: Any) -> Any:
        return NotImplemented if isinstance(right, keras.KerasTensor) else own(left, right)

    return operator
