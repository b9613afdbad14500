"""Quantization, dequantization, and fake quantization for training."""

from typing import Any

from kerasopt.ops import native, reference


def quantize(x: Any, scale: Any, zero_point: int, dtype: str = "int8") -> Any:
    """Quantize float32 values to integers.

    Computes `clamp(round_half_even(x / scale) + zero_point)`. Infinity becomes the end of the
    range, NaN the zero point.

    ```python
    q = kerasopt.ops.quantize(np.array([-1.0, 0.26], "float32"), np.float32(0.5), 3)
    # [1, 4]
    ```

    Args:
        x: float32 tensor of any shape.
        scale: float32 tensor, scalar or one value per entry of the last axis of `x`; positive and
            finite. Pass a runtime value such as a layer's variable: compilers replace the division
            by a constant scale with a multiplication by its reciprocal, which changes results in
            the `keras.ops` form (but not in the native op).
        zero_point: integer within the range of `dtype`.
        dtype: `"int8"`, `"int4"` (stored as int8), `"uint8"` or `"int16"`.

    Returns:
        Integer tensor of the shape of `x`.

    Raises:
        ValueError: If `dtype` is not one of the above or cannot hold `zero_point`.
        tf.errors.InvalidArgumentError: From the native op, if a scale is not positive and finite.
            XLA and `keras.ops` cannot raise: there, infinity and NaN in `x / scale` are treated
            like those in `x`.
    """
    ranges = reference.INTEGER_RANGES
    if dtype not in ranges:
        raise ValueError(f"`dtype` must be one of {sorted(ranges)}. Received: dtype={dtype!r}")
    minimum, maximum = ranges[dtype]
    if not minimum <= zero_point <= maximum:
        raise ValueError(
            f"`zero_point` must be an integer from {minimum} to {maximum} for {dtype}. "
            f"Received: zero_point={zero_point}"
        )
    library = native.library_for(x)
    if library is None or dtype not in ("int8", "int16"):
        return reference.quantize(x, scale, zero_point, dtype)
    return library.kerasopt_quantize(x, scale, zero_point=zero_point, T=dtype)


def dequantize(q: Any, scale: Any, zero_point: int) -> Any:
    """Return the float32 values `(q - zero_point) * scale` of integers.

    ```python
    x = kerasopt.ops.dequantize(np.array([1, 4], "int8"), np.float32(0.5), 3)
    # [-1.0, 0.5]
    ```

    Args:
        q: Integer tensor of any shape.
        scale: float32 tensor, scalar or one value per entry of the last axis of `q`.
        zero_point: integer.

    Returns:
        float32 tensor of the shape of `q`.
    """
    return reference.dequantize(q, scale, zero_point)


def fake_quantize(
    x: Any, scale: Any, zero_point: Any = 0.0, *, qmin: int = -128, qmax: int = 127
) -> Any:
    """Round float32 values to the grid of an integer format, with a straight-through gradient.

    Computes `(clip(round_half_even(x / scale) + zero_point, qmin, qmax) - zero_point) * scale`.
    The gradient with respect to `x` passes where the rounded value lies in `[qmin, qmax]` and is
    zero elsewhere (straight-through estimator, Bengio et al. 2013, arXiv:1308.3432; clipped as in
    Jacob et al. 2018, arXiv:1712.05877); `scale` and `zero_point` get none.

    Diverging training gives NaN, not an error: NaN stays NaN, and if `scale` is not finite or
    `zero_point` is not an integer from `qmin` to `qmax`, all values become NaN, with a gradient of
    0. A scale of 0, or below the smallest normal float32, switches rounding off: values and
    gradients pass unchanged.

    ```python
    y = kerasopt.ops.fake_quantize(np.array([0.3, 99.0], "float32"), np.float32(0.25))
    # [0.25, 31.75]
    ```

    Args:
        x: float32 tensor of any shape.
        scale: float32 tensor, scalar or one value per entry of the last axis of `x`; positive
            and finite, or 0. A runtime value that may change from step to step.
        zero_point: float32 tensor holding integers, scalar or of the shape of `scale`.
        qmin: Smallest integer of the format.
        qmax: Largest integer of the format.

    Returns:
        float32 tensor of the shape of `x`.

    Raises:
        ValueError: If `qmin` is not smaller than `qmax`.
        tf.errors.InvalidArgumentError: From the native op, if shapes do not agree.
    """
    _check_limits(qmin, qmax)
    library = native.library_for(x)
    if library is None:
        return reference.fake_quantize(x, scale, zero_point, qmin, qmax)
    return library.kerasopt_fake_quantize(x, scale, zero_point, qmin=qmin, qmax=qmax)


def learned_scale_gradients(
    upstream: Any, x: Any, scale: Any, zero_point: Any = 0.0, *, qmin: int = -128, qmax: int = 127
) -> tuple[Any, Any, Any]:
    """Return the components of the gradients of `fake_quantize` with a learned scale.

    With `q = round_half_even(x / scale)` and its clamped value `c`, both less the zero point,

        dx = upstream where q = c, else 0
        by_scale = sum of upstream * (q - x / scale) where q = c, of upstream * c elsewhere
        clamped = sum of upstream where q != c

    in one pass. The sums are over all values that share a scale.

    ```python
    x = np.array([0.3, 99.0], "float32")
    kerasopt.ops.learned_scale_gradients(np.ones_like(x), x, np.float32(0.25))
    # [1.0, 0.0], 126.8, 1.0
    ```

    Args:
        upstream: float32 tensor of the shape of `x`, the gradient with respect to the result.
        x: As in `fake_quantize`.
        scale: As in `fake_quantize`.
        zero_point: As in `fake_quantize`.
        qmin: As in `fake_quantize`.
        qmax: As in `fake_quantize`.

    Returns:
        `dx`, a float32 tensor of the shape of `x`, and `by_scale` and `clamped`, of the shape of
        `scale`. The sums of the native op are bit-exact for all instruction sets and numbers of
        threads; other paths add in another order.

    Raises:
        ValueError: If `qmin` is not smaller than `qmax`.
        tf.errors.InvalidArgumentError: As in `fake_quantize`.
    """
    _check_limits(qmin, qmax)
    library = native.library_for(x)
    if library is None:
        return reference.learned_scale_gradients(upstream, x, scale, zero_point, qmin, qmax)
    dx, by_scale, clamped = library.kerasopt_learned_scale_gradients(
        upstream, x, scale, zero_point, qmin=qmin, qmax=qmax
    )
    return dx, by_scale, clamped


def min_max(x: Any) -> tuple[Any, Any]:
    """Return the smallest and the largest value of a float32 tensor, in one pass over it.

    ```python
    low, high = kerasopt.ops.min_max(np.array([[3.0, -1.0]], "float32"))
    # -1.0, 3.0
    ```

    Args:
        x: float32 tensor of any shape with at least one element.

    Returns:
        Two float32 scalars; both NaN if `x` contains NaN. They have no gradient.

    Raises:
        tf.errors.InvalidArgumentError: From the native op, if `x` is empty.
    """
    library = native.library_for(x)
    if library is None:
        return reference.min_max(x)
    low, high = library.kerasopt_min_max(x)
    return low, high


def _check_limits(qmin: int, qmax: int) -> None:
    if not -(2**15) <= qmin < qmax < 2**16:
        raise ValueError(
            "`qmin` must be smaller than `qmax`, and both must fit into 16 bits. Received: "
            f"qmin={qmin}, qmax={qmax}"
        )
