import hypothesis
import hypothesis.extra.numpy as hnp
import keras
import numpy as np
import pytest
from hypothesis import strategies as st

from kerasopt.graph import KernelLayout
from kerasopt.sparsity import GlobalScope, LayerScope, patterns
from kerasopt.sparsity.patterns.n_m import NM

DENSE = KernelLayout((), (0,), (1,))
CONVOLUTION = KernelLayout((0, 1), (2,), (3,))
TRANSPOSED = KernelLayout((0, 1), (3,), (2,))
DEPTHWISE = KernelLayout((0, 1), (2,), (2, 3))


@st.composite
def patterns_of_m(draw):
    m = draw(st.integers(2, 8))
    return NM(draw(st.integers(1, m)), m)


@st.composite
def scores_of(draw, channels):
    """Scores of a Dense kernel, few of them different, so that most of them tie."""
    values = st.sampled_from([-1.0, 0.0, 0.5, 1.0, np.inf, np.nan])
    return draw(hnp.arrays("float32", (channels, draw(st.integers(1, 4))), elements=values))


def prune(pattern, scores, mask, sparsity):
    grouping = pattern.grouping(scores.shape, DENSE)
    kept = pattern.keep(grouping.split(scores), ~grouping.split(mask), sparsity)
    return grouping.merge(kept)


def slow_prune(pattern, scores, mask, sparsity):
    """Returns the mask of a Dense kernel, group after group."""
    values = np.where(np.isnan(scores), np.inf, scores)
    mask = mask.copy()
    for column in range(scores.shape[1]):
        for start in range(0, len(scores), pattern.m):
            rows = range(start, min(start + pattern.m, len(scores)))
            count = int(sparsity * pattern.m + 0.5) - (pattern.m - len(rows))
            order = sorted((mask[row, column], values[row, column], row) for row in rows)
            for _, _, row in order[: max(0, count)]:
                mask[row, column] = False
    return mask


@hypothesis.settings(deadline=None)
@hypothesis.given(st.data(), patterns_of_m(), st.integers(1, 20), st.floats(0, 1))
def test_the_lowest_of_each_group_go(data, pattern, channels, share):
    scores = data.draw(scores_of(channels))
    mask = data.draw(hnp.arrays(bool, scores.shape))
    sparsity = share * (1 - pattern.n / pattern.m)
    np.testing.assert_array_equal(
        prune(pattern, scores, mask, sparsity), slow_prune(pattern, scores, mask, sparsity)
    )


@hypothesis.settings(deadline=None)
@hypothesis.given(st.data(), patterns_of_m(), st.integers(1, 20))
def test_n_of_m_stay_at_the_end_of_a_rising_schedule(data, pattern, channels):
    final = 1 - pattern.n / pattern.m
    shares = sorted(data.draw(st.lists(st.floats(0, 1), max_size=4)))
    mask = np.ones((channels, data.draw(st.integers(1, 3))), bool)
    for share in [*shares, 1.0]:
        # Training changes all scores between two updates.
        scores = data.draw(
            hnp.arrays("float32", mask.shape, elements=st.sampled_from([0.0, 1.0, 2.0]))
        )
        before, mask = mask, prune(pattern, scores, mask, share * final)
        assert not (mask & ~before).any()
        stay = pattern.m - int(share * final * pattern.m + 0.5)
        for start in range(0, channels, pattern.m):
            group = mask[start : start + pattern.m]
            assert (group.sum(axis=0) == min(stay, len(group))).all()


def test_a_group_is_pruned_step_by_step():
    pattern = NM(2, 4)
    scores = np.array([[3.0], [1.0], [4.0], [2.0]], "float32")
    for sparsity, expected in [
        (0.0, [1, 1, 1, 1]),
        (0.12, [1, 1, 1, 1]),
        (0.125, [1, 0, 1, 1]),
        (0.37, [1, 0, 1, 1]),
        (0.5, [1, 0, 1, 0]),
    ]:
        mask = prune(pattern, scores, np.ones((4, 1), bool), sparsity)
        np.testing.assert_array_equal(mask[:, 0], np.array(expected, bool))


def test_a_hidden_weight_that_has_grown_stays_hidden():
    scores = np.array([[9.0], [1.0], [2.0], [3.0]], "float32")
    mask = np.array([[False], [True], [True], [True]])
    np.testing.assert_array_equal(
        prune(NM(2, 4), scores, mask, 0.5)[:, 0], [False, False, True, True]
    )


def test_more_groups_than_are_ranked_at_once():
    scores = np.random.default_rng(0).normal(size=(8, 5000)).astype("float32")
    mask = np.ones_like(scores, bool)
    kept = prune(NM(1, 2), scores, mask, 0.5).reshape(4, 2, 5000)
    np.testing.assert_array_equal(kept.argmax(axis=1), scores.reshape(4, 2, 5000).argmax(axis=1))
    assert (kept.sum(axis=1) == 1).all()


@pytest.mark.parametrize(
    "layout, shape, group",
    [
        (DENSE, (8, 3), np.s_[4:8, 1]),
        (CONVOLUTION, (2, 3, 8, 5), np.s_[1, 2, 4:8, 3]),
        (TRANSPOSED, (2, 3, 5, 8), np.s_[1, 2, 3, 4:8]),
        (KernelLayout((), (0, 1), (2,)), (2, 4, 5), np.s_[1, :, 3]),
        (KernelLayout((), (0, 1), (2,)), (4, 2, 5), np.s_[:2, :, 3]),
        (KernelLayout((), (0, 1), (0, 2)), (2, 8, 5), np.s_[1, 4:8, 3]),
        (KernelLayout((), (0, 2), (1,)), (2, 3, 2), np.s_[:, 2, :]),
    ],
    ids=["dense", "conv", "transposed", "attention", "attention-across", "batched", "apart"],
)
def test_a_group_is_of_consecutive_inputs_of_one_output_and_position(layout, shape, group):
    array = np.arange(np.prod(shape)).reshape(shape)
    groups = NM(2, 4).grouping(shape, layout).split(array)
    assert array[group].ravel().tolist() in groups.tolist()


@pytest.mark.parametrize("channels, stay", [(1, 1), (2, 2), (3, 2), (4, 2), (5, 3), (7, 4)])
def test_channels_that_are_left_over(channels, stay):
    shape = (3, 3, channels, 2)
    grouping = NM(2, 4).grouping(shape, CONVOLUTION)
    mask = np.ones(shape, bool)
    scores = np.random.default_rng(0).random(shape, "float32")
    kept = NM(2, 4).keep(grouping.split(scores), ~grouping.split(mask), 0.5)
    assert (grouping.merge(kept).sum(axis=2) == stay).all()


def test_depthwise_kernels_have_no_groups():
    pattern = NM(2, 4)
    assert pattern.applies((3, 3, 8, 4), CONVOLUTION)
    assert not pattern.applies((3, 3, 8, 1), DEPTHWISE)
    with pytest.raises(ValueError, match="'dw/kernel' of shape .* no axis of input channels"):
        pattern.check("dw/kernel", (3, 3, 8, 1), DEPTHWISE)


def test_the_schedule_ends_at_one_less_n_of_m():
    NM(2, 4).check_sparsity(0.5, LayerScope())
    NM(1, 3).check_sparsity(0.6666667, LayerScope())
    with pytest.raises(ValueError, match=r"1 - N/M = 0.5: .*Received: pattern='2:4', final=0.8"):
        NM(2, 4).check_sparsity(0.8, LayerScope())
    with pytest.raises(ValueError, match="pass scope='layer'. Received: pattern='2:4', scope="):
        NM(2, 4).check_sparsity(0.5, GlobalScope())


@pytest.mark.parametrize("alias", ["5:4", "0:4", "1:1", "0:0"])
def test_n_and_m_that_cannot_be(alias):
    with pytest.raises(ValueError, match=f"N from 1 to M. Received: pattern='{alias}'"):
        patterns.get(alias)


def test_configs():
    config = keras.saving.serialize_keras_object(NM(2, 4))
    pattern = patterns.get(config)
    assert isinstance(pattern, NM) and (pattern.n, pattern.m, pattern.alias) == (2, 4, "2:4")
