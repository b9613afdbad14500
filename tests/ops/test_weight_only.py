"""Products with packed integers: one order of sums on all instruction sets."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ops.paths import all_paths

from kerasopt import ops
from kerasopt.inference.held import IntegerWeight
from kerasopt.ops import native, reference

# (matrices, inputs, units), the inputs that share a scale, whether inputs come last, and the turns
# that the scales take.
CASES = [
    ((1, 48, 40), 48, False, 1),
    ((1, 96, 20), 32, False, 1),
    ((1, 96, 132), 16, False, 2),
    ((3, 20, 24), 20, False, 1),
    ((1, 40, 7), 40, True, 1),
    ((1, 128, 37), 64, True, 1),
    ((2, 64, 9), 64, True, 1),
]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_all_paths_multiply(bits, case):
    shape, group, transposed, turns = case
    matrices, depth, units = shape
    rng = np.random.default_rng(bits)
    scales = matrices * units * (depth // group // turns)
    packed = rng.integers(0, 256, matrices * depth * units * bits // 8).astype("uint8")
    scale = rng.uniform(0.5, 2.0, scales).astype("float32")
    zero_point = rng.integers(-3, 4, scales).astype("int8")
    how = {"kernel_shape": shape, "bits": bits, "group": group, "transposed": transposed}
    for rows in (1, 5, 13, 50):
        x = rng.normal(size=(rows, depth)).astype("float32")
        results = all_paths(
            lambda *tensors: ops.weight_only_matmul(*tensors, **how), x, packed, scale, zero_point
        )
        natives = [y for name, (y,) in results.items() if name in native.INSTRUCTION_SETS]
        assert len(natives) >= 2
        for (y,) in results.values():
            assert y.shape == (rows, matrices * units)
            np.testing.assert_allclose(y, natives[0], atol=1e-5 * np.abs(natives[0]).max())
        for y in natives:
            np.testing.assert_array_equal(y, natives[0])


@pytest.mark.parametrize("transposed", [False, True])
def test_values_that_are_not_finite(transposed):
    rng = np.random.default_rng(0)
    packed = rng.integers(0, 256, 16 * 24).astype("uint8")
    scale, zero_point = np.full(24, 0.01, "float32"), rng.integers(-9, 9, 24).astype("int8")
    how = {"kernel_shape": (1, 16, 24), "bits": 8, "group": 16, "transposed": transposed}
    x = rng.normal(size=(7, 16)).astype("float32")
    x[0, 3], x[1, 2], x[2, 5], x[3, 7] = np.inf, -np.inf, np.nan, 3e38
    x[4, :2] = np.inf, -np.inf
    results = all_paths(
        lambda *tensors: ops.weight_only_matmul(*tensors, **how), x, packed, scale, zero_point
    )
    expected = reference.weight_only_matmul(x, packed, scale, zero_point, **how)
    assert np.isinf(expected[:2]).sum() > 40 and np.isfinite(expected[3]).any()
    for name, (y,) in results.items():
        np.testing.assert_allclose(y, expected, rtol=1e-4, err_msg=name)


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize(
    ("shape", "axes", "group", "contracted"),
    [
        ((32, 16), (1,), None, (0, 1)),
        ((32, 16), (1,), (0, 8), (0, 1)),
        ((32, 16), (), None, (0, 1)),
        ((32, 4, 8), (1, 2), (0, 16), (0, 1)),
        ((4, 8, 32), (2,), (1, 4), (0, 2)),
        ((4, 32, 8), (0, 2), None, (1, 2)),
        ((20, 64), (0,), None, (1, 2)),
        ((20, 64), (0,), (1, 64), (1, 2)),
    ],
)
def test_held_weights_multiply_as_they_are_read(bits, shape, axes, group, contracted):
    rng = np.random.default_rng(0)
    held = IntegerWeight(bits, axes, group)
    held.build(shape)
    held.packed.assign(rng.integers(0, 256, held.packed.shape).astype("uint8"))
    held.scale.assign(rng.uniform(0.5, 2, held.scale.shape))
    weight = np.asarray(held(np.zeros(shape)))
    begin, end = contracted
    inputs = int(np.prod(shape[begin:end]))
    x = rng.normal(size=(3, inputs)).astype("float32")
    found = held.multiply(tf.constant(x), begin, end)
    first = np.moveaxis(weight, range(begin, end), range(end - begin)).reshape(inputs, -1)
    np.testing.assert_allclose(found, x @ first, atol=1e-4 * np.abs(x @ first).max())


def test_what_does_not_fit_is_an_error():
    arguments = [np.ones((2, 8), "float32"), np.zeros(16, "uint8"), np.ones(4, "float32")]
    arguments.append(np.zeros(4, "int8"))
    for how in (
        {"kernel_shape": (1, 8, 4), "bits": 3, "group": 8},
        {"kernel_shape": (1, 8, 4), "bits": 4, "group": 3},
        {"kernel_shape": (1, 8, 5), "bits": 4, "group": 8},
        {"kernel_shape": (1, 9, 4), "bits": 4, "group": 9},
        {"kernel_shape": (1, 8, 2), "bits": 4, "group": 8},
    ):
        for jit_compile in (False, True):
            function = tf.function(ops.weight_only_matmul, jit_compile=jit_compile)
            with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
                function(*map(keras.ops.convert_to_tensor, arguments), **how)
