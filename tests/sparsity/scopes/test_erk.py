import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from kerasopt.sparsity import ErdosRenyiKernel
from kerasopt.sparsity.scopes.erk import share
from kerasopt.sparsity.scopes.scores import HIDDEN, Scores

SETTINGS = hypothesis.settings(deadline=None)

LAYERS = st.lists(
    st.tuples(st.integers(1, 5000), st.integers(0, 400)), min_size=1, max_size=12
).map(lambda pairs: (np.array([p for p, _ in pairs], float), np.array([n for _, n in pairs])))
SHAPES = [(3, 3, 3, 16), (3, 3, 16, 1), (1, 1, 16, 64), (3, 3, 64, 64), (64, 10)]


def scored(shapes, seed=0):
    generator = np.random.default_rng(seed)
    return [
        Scores(generator.random(int(np.prod(shape)), "float32"), 1, (shape,)) for shape in shapes
    ]


def densities(kept):
    return np.array([flags.mean() for flags in kept])


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.8, 0.99, 0.999])
def test_densities_are_those_of_the_formula(sparsity):
    sizes = np.array([np.prod(shape) for shape in SHAPES])
    raw = np.array([sum(shape) for shape in SHAPES]) / sizes
    kept = ErdosRenyiKernel().keep(scored(SHAPES), sparsity)
    assert sum(int(flags.sum()) for flags in kept) == sizes.sum() - round(sparsity * sizes.sum())
    low, high = 0.0, 1e9  # eps, by bisection
    for _ in range(200):
        middle = (low + high) / 2
        enough = (np.minimum(1, middle * raw) * sizes).sum() >= (1 - sparsity) * sizes.sum()
        low, high = (low, middle) if enough else (middle, high)
    assert (np.abs(densities(kept) - np.minimum(1, high * raw)) * sizes <= 1).all()


def test_the_lowest_scores_of_a_layer_go():
    scores = scored(SHAPES)
    for target, flags in zip(scores, ErdosRenyiKernel().keep(scores, 0.9), strict=True):
        if not flags.all():
            assert target.values[~flags].max() < target.values[flags].min()


def test_kernels_that_are_pruned_as_one_share_by_all_their_sides():
    heads = Scores(np.arange(8, dtype="float32"), 40, ((10, 8, 2), (8, 2, 10)))
    kept = ErdosRenyiKernel().keep([heads, *scored([(20, 40)])], 0.75)
    # eps * (10 + 8 + 2 + 8 + 2 + 10) and eps * (20 + 40) stay, together 280.
    assert [int(flags.sum()) for flags in kept] == [3, 168]  # 112 / 40, and 168


def test_a_layer_that_is_sparser_stays_so_and_others_make_up_for_it():
    scores = scored([(30, 30), (30, 30)])
    scores[0].values[:800] = HIDDEN
    kept = ErdosRenyiKernel().keep(scores, 0.5)
    assert [int(flags.sum()) for flags in kept] == [100, 800]
    assert not kept[0][:800].any()


@SETTINGS
@hypothesis.given(st.lists(st.floats(0, 0.9999), min_size=2, max_size=8))
def test_no_layer_gets_denser_as_the_sparsity_rises(sparsities):
    scores = scored(SHAPES)
    before = np.ones(len(SHAPES))
    for sparsity in sorted(sparsities):
        found = densities(ErdosRenyiKernel().keep(scores, sparsity))
        assert (found <= before).all()
        before = found


@SETTINGS
@hypothesis.given(LAYERS, st.floats(0, 1), st.floats(0, 1))
def test_shares_are_exact_within_limits_and_grow_with_the_total(layers, first, second):
    proportions, limits = layers
    totals = sorted(round(part * limits.sum()) for part in (first, second))
    less, more = (share(total, proportions, limits) for total in totals)
    assert [less.sum(), more.sum()] == totals
    assert (0 <= less).all() and (less <= more).all() and (more <= limits).all()


def test_one_more_to_share_takes_nothing_from_anyone():
    # With the largest remainders the third would get 2 of 10 and 1 of 11 (the Alabama paradox).
    proportions, limits = np.array([6.0, 6.0, 2.0]), np.array([100, 100, 100])
    shares = [share(total, proportions, limits) for total in range(200)]
    assert (np.diff(shares, axis=0) >= 0).all()
