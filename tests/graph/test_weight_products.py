import keras
import pytest
from keras import layers, ops

from kerasopt.graph import Graph, KernelLayout, weight_product


class Multiplying(layers.Layer):
    """Multiplies with a weight."""

    def __init__(self, function, shape, name_of_weight="w", **kwargs):
        super().__init__(name="layer", **kwargs)
        self.function, self.shape, self.name_of_weight = function, shape, name_of_weight

    def build(self, shape):
        setattr(self, self.name_of_weight, self.add_weight(shape=self.shape, name="w"))

    def call(self, x):
        return self.function(x, getattr(self, self.name_of_weight))


def nodes(*arguments, shape=(5, 4)):
    inputs = keras.Input(shape)
    return Graph.of(keras.Model(inputs, Multiplying(*arguments)(inputs))).nodes[1:]


def einsum(subscripts):
    return lambda x, w: ops.einsum(subscripts, x, w)


@pytest.mark.parametrize(
    "function, shape, parts",
    [
        (einsum("bth,hm->btm"), (4, 3), ("", "bt", "m", "h")),
        (einsum("bth,ehm->ebtm"), (2, 4, 3), ("", "bt", "em", "h")),
        (einsum("bth,tm->bhm"), (5, 3), ("", "bh", "m", "t")),
        (einsum("bth,thm->btm"), (5, 4, 3), ("t", "b", "m", "h")),
        (einsum("bth,th->bt"), (5, 4), ("t", "b", "", "h")),
        (lambda x, w: ops.einsum("hm,bth->btm", w, x), (4, 3), ("", "bt", "m", "h")),
        (ops.matmul, (4, 3), ("", "ay", "x", "z")),
        (lambda x, w: x @ w, (4, 3), ("", "ay", "x", "z")),
        (lambda x, w: ops.matmul(x[:, None], w), (2, 4, 3), ("", "ay", "bx", "z")),
    ],
)
def test_products_with_weights(function, shape, parts):
    *_, node = nodes(function, shape)
    found = weight_product(node)
    assert (found.batch, found.rows, found.columns, found.depth) == parts
    assert found.name == "w" and found.layer is node.owner


def test_the_axes_of_the_weight():
    *_, node = nodes(einsum("bth,thm->btm"), (5, 4, 3))
    assert weight_product(node).layout == KernelLayout((), (0, 1), (0, 2))


@pytest.mark.parametrize(
    "function, shape",
    [
        (ops.multiply, (4,)),
        (einsum("bth,m->bthm"), (3,)),  # no sum
        (einsum("bth,hm->bm"), (4, 3)),  # a sum over an axis of the tensor
        (einsum("bth,hm->bth"), (4, 3)),  # a sum over an axis of the weight
        (einsum("bth,hh->bth"), (4, 4)),  # a diagonal
        (lambda x, w: ops.matmul(x, ops.ones((4, 3))) + w, (3,)),  # no weight
    ],
)
def test_what_is_none(function, shape):
    assert not any(map(weight_product, nodes(function, shape)))


def test_layers_that_multiply_by_a_kernel_or_not_at_all_are_not_opened():
    for arguments in ((ops.matmul, (4, 3), "kernel"), (ops.add, (5, 4))):
        assert [node.path for node in nodes(*arguments)] == ["layer"]
