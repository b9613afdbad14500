import numpy as np
import pytest

from kerasopt.quantization import (
    Format,
    MeanSquaredError,
    MinMax,
    MovingAverage,
    Percentile,
    observers,
)

INT8 = Format(8)


def test_the_extremes_of_all_batches():
    observer = MinMax()
    observer.build()
    for batch in ([1.0, 2.0], [-3.0, 1.0], [0.0, 1.5]):
        low, high = observer.update(np.array(batch, "float32"))
    assert (float(low), float(high)) == (-3.0, 2.0)


@pytest.mark.parametrize("momentum", [-0.1, 1.0])
def test_a_momentum_out_of_range_raises(momentum):
    with pytest.raises(ValueError, match=r"in \[0, 1\). Received: momentum="):
        MovingAverage(momentum)


def watched(observer, *batches, format=INT8):
    observer.build()
    for batch in batches:
        observer.update(np.asarray(batch, "float32"))
    observer.settle(format)
    return float(observer.minimum), float(observer.maximum)


def normal(size=20_000, seed=0):
    return np.random.default_rng(seed).normal(size=size).astype("float32")


@pytest.mark.parametrize("alias", ["percentile", "mse", "kl"])
def test_outliers_are_left_out_and_all_else_is_in(alias):
    values = np.append(normal(), 100.0)
    low, high = watched(observers.get(alias), values, format=Format(4))
    assert -6 < low < -1.5 and 1.5 < high < 12


def test_a_range_is_found_anew_for_more_bits():
    observer = MeanSquaredError()
    narrow = watched(observer, normal(), format=Format(2, symmetric=True))
    observer.settle(Format(8, symmetric=True))
    assert float(observer.maximum) > 1.2 * narrow[1]


def test_all_batches_count():
    observer = Percentile(99.0)
    batches = [0.01 * normal(seed=1), normal(seed=2), np.zeros(7), 3 * normal(seed=3)]
    low, high = watched(observer, *batches)
    expected = np.percentile(np.concatenate(batches), [1, 99])
    np.testing.assert_allclose([low, high], expected, atol=2 * float(observer.limit) / 1024)
    assert float(np.sum(observer.counts)) == sum(len(batch) for batch in batches)


def test_of_a_large_batch_a_part_is_counted():
    observer = Percentile(99.0)
    values = normal(400_000).reshape(4, 100, 1000)
    found = watched(observer, values)
    np.testing.assert_allclose(found, np.percentile(values, [1, 99]), rtol=0.05)
    assert float(np.sum(observer.counts)) < 2**16


def test_the_smallest_rounding_error():
    values = normal()
    low, high = watched(MeanSquaredError(), values, format=Format(3, symmetric=True))

    def error(limit):
        scale = limit / 3
        return np.mean((np.clip(np.rint(values / scale), -3, 3) * scale - values) ** 2)

    limits = np.linspace(0.5, 5, 200)
    best = limits[np.argmin([error(limit) for limit in limits])]
    np.testing.assert_allclose(max(-low, high), best, rtol=0.1)


@pytest.mark.parametrize("alias", ["percentile", "mse", "kl"])
def test_one_sided_values_keep_their_side(alias):
    low, high = watched(observers.get(alias), np.abs(normal()))
    assert low == 0.0 and 2 < high < 6


@pytest.mark.parametrize("alias", ["percentile", "mse", "kl"])
def test_many_zeros_do_not_narrow_the_range(alias):
    values = np.clip(normal(), 0, None)
    low, high = watched(observers.get(alias), np.append(values, np.zeros(50_000)))
    assert low == 0.0 and high > 2.5


@pytest.mark.parametrize("alias", ["percentile", "mse", "kl"])
def test_ranges_reach_values_that_are_far_from_zero(alias):
    _, high = watched(observers.get(alias), 10 + 0.1 * normal())
    assert 9.5 < high < 10.6


@pytest.mark.parametrize("alias", ["percentile", "mse", "kl"])
@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_without_values_there_is_no_range(alias, value):
    low, high = watched(observers.get(alias), np.full(5, value))
    assert not high > low


def test_a_percentile_out_of_range_raises():
    with pytest.raises(ValueError, match="up to 100. Received: percentile=0.99"):
        Percentile(0.99)
