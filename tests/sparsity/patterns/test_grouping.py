import itertools
import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from kerasopt.sparsity.patterns.grouping import Grouping


@st.composite
def groupings(draw):
    """A weight of up to four axes, in any order, some taken together, cut by any blocks."""
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    axes = tuple(draw(st.permutations(range(len(shape)))))
    joined = draw(st.lists(st.booleans(), min_size=len(shape) - 1, max_size=len(shape) - 1))
    view = [shape[axes[0]]]
    for axis, is_joined in zip(axes[1:], joined, strict=True):
        if is_joined:
            view[-1] *= shape[axis]
        else:
            view.append(shape[axis])
    block = tuple(draw(st.integers(1, side)) for side in view)
    return Grouping(shape, axes, tuple(view), block)


def numbered(shape):
    """Returns an array of `shape` whose values are 1, 2, 3, ..."""
    return np.arange(1, math.prod(shape) + 1, dtype="float32").reshape(shape)


def slow_split(grouping, array):
    """Returns the groups, block after block, element after element."""
    view = array.transpose(grouping.axes).reshape(grouping.view)
    grid = [range(0, side, step) for side, step in zip(view.shape, grouping.block, strict=True)]
    groups = []
    for corner in itertools.product(*grid):
        inside = [range(c, c + step) for c, step in zip(corner, grouping.block, strict=True)]
        groups.append(
            [
                view[place] if all(i < n for i, n in zip(place, view.shape, strict=True)) else 0
                for place in itertools.product(*inside)
            ]
        )
    return np.array(groups, array.dtype)


@hypothesis.settings(deadline=None)
@hypothesis.given(groupings())
def test_split_is_what_a_loop_over_the_blocks_finds(grouping):
    array = numbered(grouping.shape)
    expected = slow_split(grouping, array)
    assert grouping.count == len(expected)
    np.testing.assert_array_equal(grouping.split(array), expected)


@hypothesis.settings(deadline=None)
@hypothesis.given(groupings())
def test_every_weight_is_in_exactly_one_group(grouping):
    array = numbered(grouping.shape)
    blocks = grouping.split(array)
    np.testing.assert_array_equal(np.sort(blocks[blocks != 0]), array.ravel())
    sizes = np.broadcast_to(grouping.sizes, grouping.count)
    np.testing.assert_array_equal((blocks != 0).sum(axis=1), sizes)
    assert sizes.sum() == array.size
    assert isinstance(grouping.sizes, int) == (len(set(sizes.tolist())) == 1)


@hypothesis.settings(deadline=None)
@hypothesis.given(groupings(), st.randoms(use_true_random=False))
def test_expand_gives_every_weight_the_flag_of_its_group(grouping, random):
    flags = np.array([random.random() < 0.5 for _ in range(grouping.count)])
    mask = grouping.expand(flags)
    assert mask.shape == grouping.shape and mask.dtype == bool and mask.flags.c_contiguous
    array = numbered(grouping.shape)
    kept = slow_split(grouping, array)[flags]
    np.testing.assert_array_equal(mask, np.isin(array, kept))


@hypothesis.settings(deadline=None)
@hypothesis.given(groupings())
def test_merge_undoes_split(grouping):
    array = numbered(grouping.shape)
    merged = grouping.merge(grouping.split(array))
    np.testing.assert_array_equal(merged, array)
    assert merged.flags.c_contiguous


@pytest.mark.parametrize(
    "grouping",
    [
        Grouping.elements((3, 3, 8, 16)),
        Grouping.along((3, 3, 8, 16), (3,)),
        Grouping.along((3, 3, 8, 16), (2, 3)),
        Grouping.along((8, 16), (0,)),
    ],
    ids=["elements", "filters", "kernels", "rows"],
)
def test_groups_that_lie_well_in_memory_are_split_without_a_copy(grouping):
    array = numbered(grouping.shape)
    assert np.shares_memory(grouping.split(array), array)


def test_elements_are_numbered_as_in_memory():
    grouping = Grouping.elements((2, 3))
    assert grouping.count == 6 and grouping.sizes == 1
    np.testing.assert_array_equal(grouping.split(numbered((2, 3))).ravel(), [1, 2, 3, 4, 5, 6])


def test_groups_along_axes():
    grouping = Grouping.along((2, 3, 2), axes=(0, 2))
    assert grouping.count == 4 and grouping.sizes == 3
    np.testing.assert_array_equal(
        grouping.split(numbered((2, 3, 2))), [[1, 3, 5], [2, 4, 6], [7, 9, 11], [8, 10, 12]]
    )


def test_blocks_at_the_border_are_smaller():
    grouping = Grouping((3, 5), (0, 1), (3, 5), (2, 2))
    np.testing.assert_array_equal(grouping.sizes, [4, 4, 2, 2, 2, 1])
    np.testing.assert_array_equal(grouping.split(numbered((3, 5)))[2], [5, 0, 10, 0])


def test_split_keeps_the_type():
    grouping = Grouping((3,), (0,), (3,), (2,))
    assert grouping.split(np.ones(3, bool)).dtype == bool
