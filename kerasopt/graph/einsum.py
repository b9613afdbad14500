"""Layers that are products with a matrix, and einsum equations that are."""

from __future__ import annotations

import functools

import keras


def product_axes(layer: keras.Operation) -> tuple[int, int] | None:
    """Returns which axes of its kernel a layer sums over, if it is a product with a matrix.

    Args:
        layer: A layer or operation of any kind.

    Returns:
        The first axis and the one after the last; `None` for what is no `Dense` layer, and no
        `EinsumDense` layer with an equation that `contracted_axes` knows.
    """
    if isinstance(layer, keras.layers.EinsumDense):
        return contracted_axes(layer.equation)
    return (0, 1) if isinstance(layer, keras.layers.Dense) else None


@functools.cache
def contracted_axes(equation: str) -> tuple[int, int] | None:
    """Returns which axes of a kernel an equation sums over, if they are the last of the input.

    The equation is a product with one matrix, or with several side by side: the kernel has the
    summed axes side by side, in the order of the input, and its other axes follow those of the
    input in the output.

    ```python
    contracted_axes("abc,cde->abde")  # (0, 1)
    contracted_axes("abcd,cde->abe")  # (0, 2)
    contracted_axes("btd,ndh->btnh")  # (1, 2): a matrix for each n
    contracted_axes("abc,bcd->abd")  # None
    ```

    Args:
        equation: String, as of `keras.layers.EinsumDense`.

    Returns:
        The first axis and the one after the last, or `None` for other equations.
    """
    inputs, rest = equation.replace(" ", "").replace("...", "").split(",")
    kernel, outputs = rest.split("->")
    summed = [axis for axis, letter in enumerate(kernel) if letter not in outputs]
    if not summed:
        return None
    begin, end = summed[0], summed[-1] + 1
    free = inputs[: len(inputs) - (end - begin)]
    is_product = inputs[len(free) :] == kernel[begin:end]
    return (begin, end) if is_product and outputs == free + kernel[:begin] + kernel[end:] else None
