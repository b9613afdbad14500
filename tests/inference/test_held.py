"""Weights in few bits: as floats, and row by row."""

import keras
import numpy as np
import pytest

from kerasopt.inference.held import HalfWeight, IntegerWeight

ROWS = 12
# Of tables: the axes that have scales, and groups.
SCALES = [
    ((), None),
    ((0,), None),
    ((1,), None),
    ((0, 1), None),
    ((0,), (1, 4)),
    ((1,), (0, 3)),
    ((), (1, 4)),
]


def _numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def _held(bits, axes, group, width):
    """Returns a weight, and the numbers that it holds."""
    random = np.random.default_rng(bits)
    shape = ROWS, width
    held = IntegerWeight(bits, axes, group)
    held.build(shape)
    lowest = 2 ** (bits - 1)
    codes = 2 * random.integers(0, 2, shape) - 1
    if bits > 1:
        codes = random.integers(-lowest, lowest, shape)
    sizes = [shape[axis] if axis in axes else 1 for axis in (0, 1)]
    repeats = [1 if axis in axes else shape[axis] for axis in (0, 1)]
    if group is not None:
        axis, length = group
        sizes[axis], repeats[axis] = shape[axis] // length, length
    scale, zero_point = random.uniform(0.1, 2, sizes), random.integers(-3, 4, sizes)
    for axis in (0, 1):
        scale, zero_point = (np.repeat(x, repeats[axis], axis) for x in (scale, zero_point))
    held.set_codes(codes, scale.astype("float32"), zero_point)
    return held, codes, (codes - zero_point).astype("float32") * scale.astype("float32")


@pytest.mark.parametrize(("axes", "group"), SCALES)
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_rows_are_those_of_the_whole_weight(bits, axes, group):
    indices = np.array([[0, 11, -1], [-12, 5, -4]], "int32")
    for width in (8, 12, 5) if group is None or group[0] == 0 else (8, 12):
        held, codes, expected = _held(bits, axes, group, width)
        np.testing.assert_array_equal(_numpy(held.codes()), codes)
        np.testing.assert_array_equal(_numpy(held(np.zeros((ROWS, width)))), expected)
        np.testing.assert_array_equal(_numpy(held.rows(indices)), expected[indices])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_rows_of_halves_are_exact(dtype):
    """Large, small, and those below the smallest normal number."""
    random = np.random.default_rng(0)
    values = random.normal(size=(60, 50)) * 10.0 ** random.integers(-7, 4, (60, 50))
    held = HalfWeight(dtype)
    held.build(values.shape)
    held.values.assign(keras.ops.cast(values, dtype))
    indices = np.arange(-60, 60).reshape(2, 60)
    expected = _numpy(held(np.zeros(values.shape)))[indices]
    np.testing.assert_array_equal(_numpy(held.rows(indices)), expected)
