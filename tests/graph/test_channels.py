import hypothesis
import hypothesis.extra.numpy as hnp
import keras
import numpy as np
from hypothesis import strategies as st

from kerasopt.graph.channels import Channels


@hypothesis.settings(deadline=None)
@hypothesis.given(hnp.array_shapes(min_dims=1, max_dims=4, max_side=4), st.data())
def test_a_column_holds_what_shares_a_scale(shape, data):
    rank = len(shape)
    axes = data.draw(st.sets(st.integers(0, rank - 1)))
    channels = Channels(shape, axes)
    weight = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    columns = keras.ops.convert_to_numpy(channels.split(weight))
    others = tuple(axis for axis in range(rank) if axis not in axes)
    np.testing.assert_array_equal(columns.max(axis=0), weight.max(axis=others).ravel())
    np.testing.assert_array_equal(channels.merge(columns), weight)
    spread = channels.spread(keras.ops.max(columns, axis=0))
    np.testing.assert_array_equal(spread, weight.max(axis=others, keepdims=True))


def test_groups_are_neighbours_along_an_axis():
    weight = np.arange(2 * 6 * 3, dtype="float32").reshape(2, 6, 3)
    channels = Channels(weight.shape, axes=(2,), group=(1, 2))
    columns = keras.ops.convert_to_numpy(channels.split(weight))
    assert columns.shape == (4, 9)
    expected = weight.reshape(2, 3, 2, 3).max(axis=(0, 2))
    np.testing.assert_array_equal(columns.max(axis=0).reshape(3, 3), expected)
    np.testing.assert_array_equal(channels.merge(columns), weight)
    spread = keras.ops.convert_to_numpy(channels.spread(columns.max(axis=0)))
    for position in range(6):
        np.testing.assert_array_equal(spread[1, position], expected[position // 2])
