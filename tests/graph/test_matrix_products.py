import keras
import pytest
from keras import layers, ops

from kerasopt.graph import Graph, Groups, matrix_product, scaling

QUERY, KEY, SCORES = (5, 2, 4), (6, 2, 4), (2, 5, 6)


def product_of(function, *shapes):
    inputs = [keras.Input(shape) for shape in shapes]
    *_, node = Graph.of(keras.Model(inputs, function(*inputs)))
    return matrix_product(node)


def einsum(subscripts):
    return lambda x, y: ops.einsum(subscripts, x, y)


@pytest.mark.parametrize(
    "function, shapes, positions, parts",
    [
        (einsum("bqhd,bkhd->bhqk"), (QUERY, KEY), (0, 1), ("bh", "q", "k", "d")),
        (einsum("bkhd,bqhd->bhqk"), (KEY, QUERY), (1, 0), ("bh", "q", "k", "d")),
        (einsum("bhqk,bkhd->bqhd"), (SCORES, KEY), (0, 1), ("bh", "q", "d", "k")),
        (einsum("bqhgd,bkhd->bhgqk"), ((5, 2, 3, 4), KEY), (0, 1), ("bh", "gq", "k", "d")),
        (einsum("bqhd,bkhd->bqk"), (QUERY, KEY), (0, 1), ("b", "q", "k", "hd")),
        (einsum("...qd,...kd->...qk"), (SCORES, (2, 3, 6)), (0, 1), ("ab", "q", "k", "d")),
        (einsum("bqd,bd->bq"), ((5, 4), (4,)), (0, 1), ("b", "q", "", "d")),
        (ops.matmul, (SCORES, (2, 6, 4)), (0, 1), ("ab", "y", "x", "z")),
        (lambda x, y: x @ y, ((5, 4), (4, 6)), (0, 1), ("a", "y", "x", "z")),
        (lambda *x: layers.Dot((2, 2))(x), ((5, 4), (6, 4)), (0, 1), ("a", "b", "d", "c")),
        (lambda *x: layers.Dot((2, 1))(x), ((5, 6), (6, 4)), (0, 1), ("a", "b", "e", "c")),
    ],
)
def test_products_of_matrices(function, shapes, positions, parts):
    found = product_of(function, *shapes)
    assert found.positions == positions
    assert (found.batch, found.rows, found.columns, found.depth) == parts


@pytest.mark.parametrize(
    "function, shapes",
    [
        (einsum("bi,bj->bij"), ((5,), (6,))),  # no sum
        (einsum("bqd,bkd->bq"), ((5, 4), (6, 4))),  # a sum over an axis of one tensor
        (einsum("bd,bd->b"), ((4,), (4,))),  # no matrix
        (einsum("bii,bik->bk"), ((5, 5), (5, 6))),  # a diagonal
        (einsum("id,jd->ij"), ((4,), (4,))),  # of all examples with each other
        (lambda x: ops.einsum("bqd,dk->bqk", x, ops.ones((4, 3))), ((5, 4),)),
        (lambda x: ops.matmul(x, ops.ones((4, 3))), ((5, 4),)),
        (lambda *x: layers.Dot(2, normalize=True)(x), ((5, 4), (6, 4))),
        (lambda *x: layers.Dot(1)(x), ((4,), (4,))),
        (ops.multiply, ((4,), (4,))),
    ],
)
def test_what_is_none(function, shapes):
    assert product_of(function, *shapes) is None


@pytest.mark.parametrize(
    "function, factor",
    [
        (lambda x: x * 0.25, 0.25),
        (lambda x: 0.25 * x, 0.25),
        (lambda x: x / 4, 0.25),
        (lambda x: ops.divide(x, 4), 0.25),
        (lambda x: 4 / x, None),
        (lambda x: x * -1.0, None),
        (lambda x: x + 1.0, None),
        (lambda x: x * ops.ones((4,)), None),
    ],
)
def test_a_number_after_a_product_belongs_to_it(function, factor):
    x, y = keras.Input((5, 4)), keras.Input((4, 4))
    groups = Groups(Graph.of(keras.Model([x, y], function(ops.matmul(x, y)))))
    group = next(group for group in groups if matrix_product(group.anchor))
    assert len(group.nodes) == (1 if factor is None else 2)
    assert scaling(group.output) == factor
