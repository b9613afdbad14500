"""Dispatches to native ops or their references."""

from typing import Any

from kerasopt.ops import native, reference


def call(name: str, *tensors: Any, **attributes: Any) -> Any:
    """Runs the native op of a name or, if it is not available, its reference.

    Args:
        name: String, its name in `kerasopt.ops.reference`.
        *tensors: The tensors that it reads.
        **attributes: The other arguments of both.
    """
    library = native.library_for(*tensors)
    if library is None:
        return getattr(reference, name)(*tensors, **attributes)
    # TensorFlow converts `MatMul` to `mat_mul`.
    op = getattr(library, f"kerasopt_{name.replace('matmul', 'mat_mul')}")
    return op(*tensors, **attributes)
