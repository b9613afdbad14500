"""The choice between a native op and its reference."""

from typing import Any

from kerasopt.ops import native, reference


def call(name: str, *tensors: Any, **attributes: Any) -> Any:
    """Runs the native op of a name, or, where there is none, its reference.

    Args:
        name: String, what `kerasopt.ops.reference` calls it.
        *tensors: The tensors that it reads.
        **attributes: What both take beside them.
    """
    library = native.library_for(*tensors)
    if library is None:
        return getattr(reference, name)(*tensors, **attributes)
    # TensorFlow makes `mat_mul` of `MatMul`.
    op = getattr(library, f"kerasopt_{name.replace('matmul', 'mat_mul')}")
    return op(*tensors, **attributes)
