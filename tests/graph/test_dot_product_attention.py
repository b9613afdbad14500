import keras
import numpy as np
import pytest
from keras import ops

from kerasopt.graph.dot_product_attention import attend

QUERIES, KEYS, HEADS, SIZE = 5, 7, 4, 8


def tensors(groups=HEADS, keys=KEYS):
    generator = np.random.default_rng(0)
    shapes = (QUERIES, HEADS, SIZE), (keys, groups, SIZE), (keys, groups, SIZE)
    return [generator.normal(size=(3, *shape)).astype("float32") for shape in shapes]


MASK = np.random.default_rng(1).random((3, 1, QUERIES, KEYS)) < 0.4
MASK[0, 0, 2] = False  # a query that sees no key


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"scale": 0.2},
        {"bias": np.linspace(-1, 1, KEYS, dtype="float32")[None, None, None]},
        {"mask": MASK},
        {"is_causal": True},
        {"is_causal": True, "mask": MASK, "scale": 2.0},
    ],
    ids=lambda how: ",".join(how),
)
@pytest.mark.parametrize("groups", [4, 2])
def test_computes_what_keras_does(how, groups):
    x = tensors(groups)
    expected = ops.convert_to_numpy(ops.dot_product_attention(*x, **how))
    found = ops.convert_to_numpy(attend(*map(ops.convert_to_tensor, x), **how))
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_in_half_precision():
    x = [ops.cast(each, "float16") for each in tensors()]
    expected = ops.convert_to_numpy(ops.dot_product_attention(*x, is_causal=True))
    found = ops.convert_to_numpy(attend(*x, is_causal=True))
    assert found.dtype == "float16"
    np.testing.assert_allclose(found, expected, atol=1e-2)


def test_on_symbols_of_unknown_length():
    inputs = [keras.Input((None, HEADS, SIZE)) for _ in range(3)]
    model = keras.Model(inputs, attend(*inputs, is_causal=True))
    for x in (tensors(), tensors(keys=2)):
        expected = ops.convert_to_numpy(ops.dot_product_attention(*x, is_causal=True))
        np.testing.assert_allclose(ops.convert_to_numpy(model(x)), expected, atol=2e-6)
