import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from kerasopt.sparsity.scopes import selection
from kerasopt.sparsity.scopes.scores import HIDDEN, Scores, hide
from kerasopt.sparsity.scopes.selection import ascending, keep_highest

SETTINGS = hypothesis.settings(deadline=None)

# Few different values, so that most of them tie; and all that a diverged training leaves.
VALUES = [HIDDEN, -1.5, -0.0, 0.0, 0.5, 1.0, np.inf, np.nan]
LARGE = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "magnitudes": lambda rng, n: np.abs(rng.standard_normal(n)) ** 3,
    "many ties": lambda rng, n: rng.integers(0, 5, n),
    "all equal": lambda rng, n: np.zeros(n),
    "far apart": lambda rng, n: np.where(rng.random(n) < 0.3, 1e-30, 1e30),
    "half diverged": lambda rng, n: np.where(rng.random(n) < 0.5, np.nan, rng.random(n)),
}


def scored(values, sizes=1):
    values = np.asarray(values, "float32")
    return Scores(values, sizes, (values.shape,))


def by_sorting(scores, pruned):
    """What `keep_highest` has to return, by a stable sort of everything."""
    values = np.concatenate([np.fmin(target.values, np.inf) for target in scores])
    sizes = np.concatenate([np.broadcast_to(t.sizes, t.values.shape) for t in scores])
    kept = values != HIDDEN
    gone, largest = sizes[~kept].sum(), sizes.max()
    for group in np.argsort(values, kind="stable"):
        if kept[group]:
            if pruned - gone < largest / 2:
                break
            gone += sizes[group]
            kept[group] = False
    return np.split(kept, np.cumsum([target.values.size for target in scores])[:-1])


def assert_same(kept, expected):
    for flags, right in zip(kept, expected, strict=True):
        assert flags.dtype == bool
        np.testing.assert_array_equal(flags, right)


@st.composite
def targets(draw):
    values = draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=12))
    if draw(st.booleans()):
        return scored(values, draw(st.integers(1, 9)))
    sizes = st.lists(st.integers(1, 9), min_size=len(values), max_size=len(values))
    return scored(values, np.array(draw(sizes)))


@SETTINGS
@hypothesis.given(st.lists(targets(), min_size=1, max_size=3), st.floats(0, 1))
def test_the_lowest_go_and_of_equal_ones_the_first(scores, sparsity):
    pruned = round(sparsity * sum(target.size for target in scores))
    assert_same(keep_highest(scores, pruned), by_sorting(scores, pruned))


@SETTINGS
@hypothesis.given(st.lists(targets(), min_size=1, max_size=3), st.floats(0, 1))
def test_at_most_half_of_the_largest_group_is_lacking_or_too_much(scores, sparsity):
    pruned = round(sparsity * sum(target.size for target in scores))
    hidden = sum(target.size_of(target.values == HIDDEN) for target in scores)
    kept = keep_highest(scores, pruned)
    found = sum(target.size_of(~flags) for target, flags in zip(scores, kept, strict=True))
    assert abs(found - max(hidden, pruned)) <= max(target.largest for target in scores) / 2


@SETTINGS
@hypothesis.given(st.lists(targets(), min_size=1, max_size=3), st.floats(0, 1))
def test_what_is_reached_stays_reached_when_scores_change(scores, sparsity):
    pruned = round(sparsity * sum(target.size for target in scores))
    kept = keep_highest(scores, pruned)
    changed = [
        scored(hide(np.arange(flags.size, 0, -1), flags), target.sizes)
        for target, flags in zip(scores, kept, strict=True)
    ]
    assert_same(keep_highest(changed, pruned), kept)


@pytest.mark.parametrize("kind", LARGE)
@pytest.mark.parametrize("hidden", [0.0, 0.7])
def test_large_targets_are_selected_from_as_small_ones_are(kind, hidden):
    rng = np.random.default_rng(0)
    scores = []
    for n, sizes in ((20_000, 1), (9, 1), (9_000, rng.integers(1, 5, 9_000))):
        values = LARGE[kind](rng, n).astype("float32")
        scores.append(scored(hide(values, rng.random(n) >= hidden), sizes))
    total = sum(target.size for target in scores)
    for sparsity in (0, 0.001, 0.3, 0.7, 0.71, 0.999, 1):
        pruned = round(sparsity * total)
        assert_same(keep_highest(scores, pruned), by_sorting(scores, pruned))


@pytest.mark.parametrize("drawn", [0.0, 1.0])
def test_an_unlucky_sample_takes_time_but_no_exactness(monkeypatch, drawn):
    scores = [scored(np.random.default_rng(0).random(20_000))]
    unlucky = lambda target, number: (np.full(9, drawn, "float32"), np.full(9, 20_000 / 9))  # noqa: E731
    monkeypatch.setattr(selection, "sample", unlucky)
    assert_same(keep_highest(scores, 12_345), by_sorting(scores, 12_345))


@SETTINGS
@hypothesis.given(st.lists(st.floats(width=32)))
def test_the_order_is_stable_with_nan_as_infinity(values):
    values = np.array(values + [np.nan, -np.nan, -0.0, 0.0, np.inf, HIDDEN], "float32")
    expected = np.argsort(np.where(np.isnan(values), np.inf, values), kind="stable")
    np.testing.assert_array_equal(ascending(values), expected)


def test_scores_are_hidden_whatever_they_are():
    values = np.array([1.0, -2.0, np.inf, 1.0, -2.0, np.nan, np.inf], "float32")
    before = values.copy()
    found = hide(values, np.array([True] * 3 + [False] * 4))
    np.testing.assert_array_equal(found, [1.0, -2.0, np.inf] + [HIDDEN] * 4)
    assert found.dtype == "float32"
    np.testing.assert_array_equal(hide(values, np.full(7, True)), before)
    np.testing.assert_array_equal(values, before)
