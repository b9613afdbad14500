"""Matrix multiplication with a sparse float32 kernel."""

from typing import Any

from keras import ops

from kerasopt.ops import native
from kerasopt.ops.sparse_weights import SparseWeights


def sparse_matmul(x: Any, weights: SparseWeights) -> Any:
    """Multiply float32 rows by a sparse float32 matrix, and add a bias.

    The native op is bit-exact for all instruction sets and numbers of threads: sums start with the
    bias and add products one by one, with one rounding each. The `keras.ops` form, which uses a
    dense matrix, adds in another order.

    ```python
    kernel = np.eye(64, 10, dtype="float32")  # mostly zeros
    weights = kerasopt.ops.SparseWeights.pack(kernel, np.zeros(10, "float32"))
    y = kerasopt.ops.sparse_matmul(np.ones((2, 64), "float32"), weights)
    ```

    Args:
        x: float32 tensor of shape `(..., inputs)`.
        weights: `SparseWeights` of a float32 kernel.

    Returns:
        float32 tensor of shape `(..., units)`.

    Raises:
        tf.errors.InvalidArgumentError: From the native op, if the last axis of `x` does not match,
            or the weights are damaged.
    """
    inputs, units = weights.shape[-2:]
    library = native.library_for(x)
    if library is None:
        kernel, bias, _ = weights.unpack()
        return ops.matmul(x, ops.reshape(kernel, (inputs, units))) + bias
    return library.kerasopt_sparse_mat_mul(
        x,
        weights.values,
        kernel_shape=(inputs, units),
        entries=weights.entries,
        block_columns=weights.block_columns,
    )
