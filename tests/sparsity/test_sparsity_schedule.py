import pytest

from kerasopt.schedules import Constant, Linear, PolynomialDecay
from kerasopt.sparsity import sparsity_schedule


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, 1.5])
@pytest.mark.parametrize("make", [float, Constant, lambda s: Linear(0.0, s)])
def test_a_sparsity_outside_of_its_range_raises(sparsity, make):
    with pytest.raises(ValueError, match=r"weights that are zero.*Received: schedule="):
        sparsity_schedule(make(sparsity))


def test_a_falling_sparsity_raises():
    with pytest.raises(ValueError, match="must not decrease.*Received: schedule="):
        sparsity_schedule(PolynomialDecay(0.8, 0.5))


def test_numbers_and_configs_are_schedules():
    assert isinstance(sparsity_schedule(0.5), Constant)
    assert sparsity_schedule({"class_name": "linear", "config": {"initial": 0.1, "final": 0.5}})
