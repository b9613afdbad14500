import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasopt import curriculum

shares = st.floats(0.001, 1.0)
roots = st.floats(1.0, 8.0)


@given(shares, roots, st.floats(0.0, 1.0))
def test_root_is_the_formula_of_platanios(initial, p, t):
    share = curriculum.RootPacing(initial, p)(t)
    assert math.isclose(share**p, t * (1 - initial**p) + initial**p, rel_tol=1e-9)


@given(shares, roots)
def test_root_goes_from_the_first_share_to_one(initial, p):
    pacing = curriculum.RootPacing(initial, p)
    assert pacing(0.0) == pytest.approx(initial)
    assert pacing(1.0) == pytest.approx(1.0)
    values = [pacing(t / 20) for t in range(21)]
    assert values == sorted(values)


def test_square_root_and_linear_at_the_middle():
    assert curriculum.RootPacing(0.1, p=2)(0.5) == pytest.approx(math.sqrt(0.505))
    assert curriculum.LinearPacing(0.1)(0.5) == pytest.approx(0.55)


@pytest.mark.parametrize("pacing", [curriculum.RootPacing(0.2, 3), curriculum.LinearPacing(0.3)])
def test_config_round_trip(pacing):
    copy = curriculum.get(curriculum.serialize(pacing))
    assert type(copy) is type(pacing)
    assert copy.get_config() == pacing.get_config()


def test_get_resolves_aliases_and_callables():
    assert type(curriculum.get("root")) is curriculum.RootPacing
    assert type(curriculum.get("linear")) is curriculum.LinearPacing
    assert curriculum.get(math.sqrt) is math.sqrt


@pytest.mark.parametrize("identifier", ["cubic", None, curriculum.LinearPacing])
def test_get_rejects(identifier):
    with pytest.raises(ValueError, match="Received: pacing="):
        curriculum.get(identifier)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [({"initial": 0.0}, "initial"), ({"initial": 1.5}, "initial"), ({"p": 0.5}, "p")],
)
def test_bad_arguments(arguments, name):
    with pytest.raises(ValueError, match=f"Received: {name}="):
        curriculum.RootPacing(**arguments)
