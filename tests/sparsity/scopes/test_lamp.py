import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from kerasopt.sparsity.scopes import LAMP, lamp
from kerasopt.sparsity.scopes.scores import HIDDEN, Scores
from kerasopt.sparsity.scopes.selection import LOWEST

SETTINGS = hypothesis.settings(deadline=None)


def scored(values, sizes=1):
    values = np.asarray(values, "float32")
    return Scores(values, sizes, (values.shape,))


def by_formula(scores, sparsity):
    """What LAMP has to keep: every score by its formula, and a sort of all."""
    total = sum(target.size for target in scores)
    flags = [target.values != HIDDEN for target in scores]
    order = []
    for n, target in enumerate(scores):
        live = np.flatnonzero(flags[n])
        live = live[np.argsort(target.values[live], kind="stable")]
        squares = target.values[live].astype("float64") ** 2
        sums = np.cumsum(squares[::-1])[::-1]
        values = np.sqrt(squares / np.maximum(sums, 1e-300))
        order += [(value, n, at) for value, at in zip(values, live, strict=True)]
    gone = total - sum(target.size_of(kept) for target, kept in zip(scores, flags, strict=True))
    for _, n, at in sorted(order, key=lambda entry: entry[0]):
        if round(sparsity * total) - gone < max(target.largest for target in scores) / 2:
            break
        gone += np.broadcast_to(scores[n].sizes, flags[n].shape)[at]
        flags[n][at] = False
    return flags


def assert_same(kept, expected):
    for flags, right in zip(kept, expected, strict=True):
        assert flags.dtype == bool
        np.testing.assert_array_equal(flags, right)


@SETTINGS
@hypothesis.given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 4)), min_size=1, max_size=4),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1),
    st.integers(0, 2**32 - 1),
)
def test_what_stays_has_the_highest_scores_of_the_formula(targets, sparsity, hidden, seed):
    rng = np.random.default_rng(seed)
    scores = [
        scored(np.where(rng.random(n) < hidden, HIDDEN, 10 ** rng.normal(size=n)), size)
        for n, size in targets
    ]
    assert_same(LAMP().keep(scores, sparsity), by_formula(scores, sparsity))


@pytest.fixture(scope="module")
def large():
    rng = np.random.default_rng(0)
    values = [np.abs(rng.standard_normal(n)) * s for n, s in ((25_000, 1e-3), (12_000, 7), (50, 1))]
    values[0][rng.random(25_000) < 0.4] = HIDDEN
    values[1] = values[1] ** 4
    sizes = [1, 1, rng.integers(1, 90, 50)]
    return [scored(*pair) for pair in zip(values, sizes, strict=True)]


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.3, 0.8, 0.999])
def test_large_targets_are_selected_from_as_small_ones_are(large, sparsity):
    assert_same(LAMP().keep(large, sparsity), by_formula(large, sparsity))


@pytest.mark.parametrize("bracket", [(LOWEST, 1e-9), (1e9, np.inf), (1e-3, 1.001e-3)])
def test_an_unlucky_sample_takes_time_but_no_exactness(monkeypatch, large, bracket):
    monkeypatch.setattr(lamp, "_brackets", lambda scores, pruned: [bracket] * len(scores))
    assert_same(LAMP().keep(large, 0.8), by_formula(large, 0.8))


def test_scales_of_layers_do_not_matter_and_each_keeps_its_largest():
    values = np.random.default_rng(0).random(100)
    scores = [scored(values), scored(values * 1e-25), scored(np.full(7, 1e-30))]
    kept = LAMP().keep(scores, 0.8)
    np.testing.assert_array_equal(kept[0], kept[1])
    assert all(flags.any() for flags in LAMP().keep(scores, 1 - 3 / 207))


def test_a_layer_of_zeros_goes_first():
    kept = LAMP().keep([scored([1.0, 2.0]), scored([0.0, 0.0])], 0.5)
    assert_same(kept, [[True, True], [False, False]])


def test_negative_scores_raise():
    scores = [scored([1.0, HIDDEN]), scored([1.0, -0.5])]
    with pytest.raises(ValueError, match="'lamp'.*negative.*'movement'.*Received: .*-0.5"):
        LAMP().keep(scores, 0.5)
