import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasopt.curriculum import CurriculumDataset

N = 20
SCORES = np.arange(N)[::-1].astype("float32")  # sample 19 is the easiest


def dataset(n=N, batch_size=4, scores=None, **kwargs):
    x = np.arange(n)
    scores = SCORES[-n:] if scores is None else scores
    return CurriculumDataset(x, 10 * x, scores, batch_size=batch_size, **kwargs)


def epoch_samples(data, epoch):
    data.set_epoch(epoch)
    return np.concatenate([data[i][0] for i in range(len(data))])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 5), st.integers(0, 9))
def test_an_epoch_of_all_samples_is_a_permutation(n, batch_size, epoch, seed):
    batch_size = min(batch_size, n)
    data = dataset(n, batch_size, scores=np.zeros(n), seed=seed)
    assert len(data) == -(-n // batch_size)
    np.testing.assert_array_equal(np.sort(epoch_samples(data, epoch)), np.arange(n))


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 60), st.floats(0.01, 1.0), st.integers(0, 5))
def test_samples_in_use_are_drawn_equally_often(n, share, epoch):
    data = dataset(n, 1, scores=np.arange(n))
    data.set_pacing(lambda progress: share, 0, 10**6)
    counts = np.bincount(epoch_samples(data, epoch), minlength=n)
    in_use = int(np.ceil(n * share))
    assert (counts[in_use:] == 0).all()
    assert counts[:in_use].max() - counts[:in_use].min() <= 1


def test_content_depends_on_seed_epoch_and_index_alone():
    data, again = dataset(seed=3), dataset(seed=3)
    for d in (data, again):
        d.set_pacing("root", 0, 12)
    expected = [(e, i, epoch) for e in range(3) for i, epoch in enumerate(_epoch(data, e))]
    for e, i, batch in reversed(expected):
        again.set_epoch(e)
        np.testing.assert_array_equal(again[i][0], batch)
    assert not np.array_equal(epoch_samples(dataset(seed=4), 0), epoch_samples(dataset(seed=3), 0))
    assert not np.array_equal(epoch_samples(data, 5), epoch_samples(data, 6))


def _epoch(data, epoch):
    data.set_epoch(epoch)
    return [data[i][0] for i in range(len(data))]


def test_share_grows_with_the_step_and_stays_one_after_the_end():
    data = dataset(batch_size=2)  # 10 batches in an epoch
    data.set_pacing("linear", 5, 15)
    assert data.share(0) == data.share(5) == 0.01
    assert data.share(10) == pytest.approx(0.505)
    assert data.share(15) == data.share(99) == 1.0
    data.set_epoch(1)  # index 0 is step 10: half of the samples, which are the easiest
    assert set(data[0][0]) <= set(range(9, N))
    data.set_epoch(0)
    assert set(data[0][0]) <= {18, 19}  # never fewer samples than a batch has


@pytest.mark.parametrize(("order", "first"), [("easy", {18, 19}), ("hard", {0, 1})])
def test_order(order, first):
    data = dataset(batch_size=2, order=order)
    data.set_pacing("root", 0, 10**6)
    assert set(epoch_samples(data, 0)) <= first


def test_random_order_ignores_scores_and_keeps_pace():
    data, other = dataset(order="random"), dataset(order="random", scores=-SCORES)
    for d in (data, other):
        d.set_pacing(lambda progress: 0.5, 0, 10**6)
    samples = epoch_samples(data, 0)
    np.testing.assert_array_equal(samples, epoch_samples(other, 0))
    np.testing.assert_array_equal(np.unique(samples), np.unique(epoch_samples(data, 1)))
    assert len(np.unique(samples)) == N // 2
    assert set(samples) != set(range(N // 2, N))


def test_several_inputs_and_sample_weights():
    x = {"a": np.arange(N), "b": np.arange(2 * N).reshape(N, 2)}
    data = CurriculumDataset(x, (np.arange(N), -np.arange(N)), SCORES, 4, sample_weight=SCORES)
    inputs, targets, weights = data[2]
    np.testing.assert_array_equal(inputs["b"][:, 0], 2 * inputs["a"])
    np.testing.assert_array_equal(targets[0], inputs["a"])
    np.testing.assert_array_equal(targets[1], -inputs["a"])
    np.testing.assert_array_equal(weights, SCORES[inputs["a"]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": np.zeros(N - 1)}, "Received: y of shape"),
        ({"x": {"a": np.zeros(N), "b": np.zeros(3)}}, "Received: x of shape"),
        ({"sample_weight": np.zeros(3)}, "Received: sample_weight of shape"),
        ({"y": [0, 1] * (N // 2)}, "Received: y of shape"),
        ({"scores": np.full(N, np.nan)}, "20 NaN or infinite"),
        ({"scores": np.zeros((N, 1))}, "Received: scores of shape"),
        ({"scores": []}, "Received: scores of shape"),
        ({"batch_size": N + 1}, "Received: batch_size=21"),
        ({"batch_size": 0}, "Received: batch_size=0"),
        ({"batch_size": 2.0}, "Received: batch_size=2.0"),
        ({"seed": -1}, "Received: seed=-1"),
        ({"order": "harder"}, "Received: order='harder'"),
    ],
)
def test_bad_arguments(arguments, message):
    good = {"x": np.zeros(N), "y": np.zeros(N), "scores": SCORES, "batch_size": 4}
    with pytest.raises(ValueError, match=message):
        CurriculumDataset(**{**good, **arguments})


@pytest.mark.parametrize("index", [-1, 5])
def test_index_out_of_range(index):
    with pytest.raises(IndexError, match="Received: index="):
        dataset()[index]
