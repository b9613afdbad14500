import keras
import numpy as np
import pytest
from sparsity.masked_weights import dense_model, masked_weights

from kerasopt.sparsity import criteria
from kerasopt.sparsity.criteria.criterion import Criterion


@pytest.fixture
def weight():
    (weight,) = masked_weights(dense_model(3))
    weight.stored.assign(np.arange(-6, 6).reshape(4, 3) / 4)
    return weight


@pytest.mark.parametrize("alias, order", [("magnitude", 1), ("l1", 1), ("l2", 2)])
def test_magnitude(weight, alias, order):
    criterion = criteria.get(alias)
    assert criterion.order == order
    expected = np.abs(np.arange(-6, 6).reshape(4, 3) / 4)
    np.testing.assert_array_equal(criterion.scores(weight), expected)


def test_random_scores_follow_from_seed_and_path_alone():
    first, second = masked_weights(dense_model(4, 4))
    again, _ = masked_weights(dense_model(4, 4))
    again.stored.assign(np.zeros((4, 4)))
    scores = criteria.Random().scores(first)
    assert scores.shape == (4, 4) and (scores >= 0).all() and (scores < 1).all()
    np.testing.assert_array_equal(criteria.Random().scores(again), scores)
    for other in (criteria.Random().scores(second), criteria.Random(seed=1).scores(first)):
        assert not np.isclose(other, scores).any()


def test_a_function_scores(weight):
    criterion = criteria.get(np.negative)
    np.testing.assert_array_equal(criterion.scores(weight), -weight.value)
    infinite = criteria.get(lambda array: np.where(array > 0, np.inf, -np.inf))
    assert np.isinf(infinite.scores(weight)).all()


def too_short(array):
    return array[1:]


def in_complex_numbers(array):
    return array * 1j


def undefined(array):
    with np.errstate(invalid="ignore"):
        return np.sqrt(array)


@pytest.mark.parametrize(
    "function, message",
    [
        (too_short, r"shape \(4, 3\) for 'dense_0/kernel'. .*too_short, which .* shape=\(3, 3\)"),
        (in_complex_numbers, "real number.*Received: .*in_complex_numbers.*dtype=complex"),
        (undefined, "Received: criterion=undefined, which returned 6 NaN for 'dense_0/kernel'"),
    ],
)
def test_a_function_that_returns_something_else(weight, function, message):
    with pytest.raises(ValueError, match=message):
        criteria.get(function).scores(weight)


def test_a_function_after_training_has_diverged(weight):
    weight.stored.assign(np.full((4, 3), np.nan))
    assert np.isnan(criteria.get(np.abs).scores(weight)).all()


class Rows(Criterion):
    def __call__(self, weight):
        return weight.value.sum(axis=1)


def test_a_criterion_that_returns_something_else(weight):
    message = r"shape \(4, 3\) .* Received: criterion=Rows, .* shape=\(4,\), dtype=float32"
    with pytest.raises(ValueError, match=message):
        Rows().scores(weight)


@pytest.mark.parametrize("alias", ["saliency", "movement", "wanda"])
def test_what_gathers_needs_training(weight, alias):
    with pytest.raises(ValueError, match="callbacks.Pruning`. Received: weight='dense_0/kernel'"):
        criteria.get(alias).scores(weight)


@keras.saving.register_keras_serializable("tests_criteria")
def opposite(array):
    return -array


@pytest.mark.parametrize(
    "criterion",
    [
        criteria.Magnitude(order=2),
        criteria.Random(seed=3),
        criteria.Saliency(),
        criteria.Movement(),
        criteria.Wanda(),
        criteria.FunctionCriterion(opposite),
    ],
    ids=str,
)
def test_config(criterion):
    again = criteria.get(keras.saving.serialize_keras_object(criterion))
    assert type(again) is type(criterion)
    assert again.get_config() == criterion.get_config()


def test_arguments_out_of_range():
    with pytest.raises(ValueError, match="positive integer. Received: order=0"):
        criteria.Magnitude(order=0)
    with pytest.raises(ValueError, match="Received: seed=-1"):
        criteria.Random(seed=-1)
