import json
import math
import os
import pathlib
import subprocess
import sys
import warnings

import keras
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasopt import schedules
from kerasopt.schedules import Constant, Cosine, Iterative, Linear, OneShot, PolynomialDecay
from kerasopt.schedules.times import Horizon, epochs, resolve

HORIZON = Horizon(total=200, updates_per_epoch=20.0)


@pytest.mark.parametrize(
    "time, update",
    [(7, 7), ("0%", 0), ("30%", 60), ("12.5%", 25), ("100%", 200), (epochs(3), 60)],
)
def test_times(time, update):
    assert resolve(time, HORIZON) == update


def test_epochs_may_be_fractions():
    assert resolve(epochs(1.5), Horizon(10, 2.5)) == 4


@pytest.mark.parametrize(
    "time", [-1, 1.5, True, "30", "101%", "-3%", "x%", "nan%", None, "", [1], "1e1%"]
)
def test_malformed_times_raise_when_the_schedule_is_made(time):
    with pytest.raises(ValueError, match=r"`begin` must be .*Received: begin="):
        Linear(0.0, 1.0, begin=time)
    with pytest.raises(ValueError, match=r"`begin` must be"):
        OneShot(1.0, begin=time)


@pytest.mark.parametrize("number", [-1, math.inf, math.nan, "3", None, True])
def test_malformed_epochs(number):
    with pytest.raises(ValueError, match="Received: number="):
        epochs(number)


@pytest.mark.parametrize("time", ["30%", epochs(1)])
def test_relative_time_in_an_endless_dataset(time):
    with pytest.raises(ValueError, match=r"`end` is relative.*Pass `steps_per_epoch`"):
        PolynomialDecay(0.0, 0.5, begin=0, end=time).check(Horizon())
    assert PolynomialDecay(0.0, 0.5, begin=0, end=10)(10, Horizon()) == 0.5


@pytest.mark.parametrize(
    "begin, end", [(5, 4), ("60%", "30%"), (epochs(2), epochs(1)), ("9%", "8.5%")]
)
def test_begin_after_end(begin, end):
    with pytest.raises(ValueError, match="`begin` must not come after `end`. Received"):
        Cosine(0.0, 1.0, begin=begin, end=end)


def test_begin_after_end_in_this_training():
    schedule = Linear(0.0, 1.0, begin=150, end="50%")
    with pytest.raises(ValueError, match="Received: begin=150, end='50%'"):
        schedule.check(HORIZON)
    schedule.check(Horizon(300))


def test_a_frequency_in_epochs():
    schedule = Linear(0.0, 1.0, begin=5, end=45, frequency=epochs(2))
    horizon = Horizon(total=50, updates_per_epoch=7.5)
    assert [schedule.next_due(update, horizon) for update in (5, 20, 35, 45)] == [20, 35, 45, None]
    assert schedule.last_due(34, horizon) == 20
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert again.frequency == epochs(2)
    with pytest.raises(ValueError, match="`frequency` is relative to the length of the training"):
        schedule.next_due(5, Horizon())


@pytest.mark.parametrize("frequency", [0, -1, 1.5, "10%", True, epochs(0)])
def test_bad_frequency(frequency):
    with pytest.raises(ValueError, match="`frequency`"):
        Linear(0.0, 1.0, frequency=frequency)


def test_bad_values():
    with pytest.raises(ValueError, match="Received: final=nan"):
        PolynomialDecay(0.0, math.nan)
    with pytest.raises(ValueError, match="`power` must be positive"):
        PolynomialDecay(0.0, 0.5, power=0)
    with pytest.raises(ValueError, match="must be a finite number"):
        Constant("0.5")


def test_a_training_too_short_for_its_schedule_warns():
    schedule = PolynomialDecay(0.0, 0.8, begin=100, end=1000)
    with pytest.warns(UserWarning, match="cannot finish .* update 100 .* update 1000.* 200 opt"):
        schedule.check(HORIZON)
    with pytest.warns(UserWarning, match="cannot finish"):
        OneShot(0.5, begin=200).check(HORIZON)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PolynomialDecay(0.0, 0.8, begin=100, end=200).check(HORIZON)
        Constant(0.5).check(HORIZON)
        schedule.check(Horizon())


def test_short_runs_are_due_in_every_update():
    schedule = PolynomialDecay(0.0, 0.8, begin="10%", end="60%")
    horizon = Horizon(20, 5.0)
    assert dues(schedule, horizon) == list(range(2, 13))
    assert len(dues(schedule, Horizon(20_000))) == 101
    assert len(dues(schedule, Horizon(398))) == 101


def dues(schedule, horizon):
    due, all_dues = schedule.next_due(-1, horizon), []
    while due is not None:
        all_dues.append(due)
        due = schedule.next_due(due, horizon)
    return all_dues


def test_values():
    assert Constant(0.3)(0, HORIZON) == Constant(0.3)(99, HORIZON) == 0.3
    assert dues(Constant(0.3), HORIZON) == [0]
    shot = OneShot(0.5, begin="50%")
    assert (shot(99, HORIZON), shot(100, HORIZON), dues(shot, HORIZON)) == (0.0, 0.5, [100])
    assert Linear(1.0, 0.0, end=100)(25, HORIZON) == 0.75
    assert Cosine(0.0, 1.0, end=100)(50, HORIZON) == pytest.approx(0.5)
    assert Cosine(0.0, 1.0, end=100)(25, HORIZON) == pytest.approx((1 - math.sqrt(0.5)) / 2)
    assert PolynomialDecay(0.0, 0.8, end=100)(50, HORIZON) == pytest.approx(0.8 * (1 - 0.125))


def test_integer_times_need_no_horizon():
    schedule = Linear(0.0, 1.0, begin=10, end=20, frequency=5)
    assert (schedule(15), schedule.next_due(0), schedule.last_due(16)) == (0.5, 10, 15)
    assert schedule.span() == (10, 20)
    rounds = Iterative(0.75, rounds=2, begin=10, end=20)
    assert (rounds(10), rounds.next_due(10), rounds.last_due(19)) == (0.5, 20, 10)
    with pytest.raises(ValueError, match="`end` is relative"):
        Linear(0.0, 1.0, begin=10, end="50%")(15)


@given(
    st.floats(0, 1, exclude_max=True),
    st.integers(1, 12),
    st.integers(0, 50),
    st.integers(0, 100),
    st.integers(-1, 200),
)
def test_rounds_take_the_same_share_of_what_is_left(final, rounds, begin, length, update):
    schedule = Iterative(final, rounds, begin, begin + length)
    due = dues(schedule, HORIZON)
    last = begin + (length if rounds > 1 else 0)
    assert due[0] == begin and due[-1] == last and len(due) <= rounds
    assert schedule.next_due(update) == next((d for d in due if d > update), None)
    assert schedule.last_due(update) == max((d for d in due if d <= update), default=None)

    left = [1 - schedule(moment) for moment in [begin - 1, *due]]
    assert left[0] == 1 and schedule(last) == final
    if length >= rounds - 1:
        assert len(due) == rounds
        gaps = [b - a for a, b in zip(due, due[1:], strict=False)]
        assert not gaps or max(gaps) - min(gaps) <= 1
        for before, after in zip(left, left[1:], strict=False):
            assert after == pytest.approx(before * (1 - final) ** (1 / rounds))
    # What is in force between two rounds is the value of the last one, also after a resume.
    in_force = schedule.last_due(update)
    assert schedule(update) == (0.0 if in_force is None else schedule(in_force))


def test_twenty_percent_of_what_is_left():
    schedule = Iterative(1 - 0.8**3, rounds=3, begin="10%", end="90%")
    assert dues(schedule, HORIZON) == [20, 100, 180]
    assert [schedule(d, HORIZON) for d in (20, 100, 180)] == pytest.approx([0.2, 0.36, 0.488])


def test_a_single_round_is_at_begin():
    schedule = Iterative(0.5, rounds=1, begin=30)
    assert dues(schedule, HORIZON) == [30]
    assert (schedule(29), schedule(30)) == (0.0, 0.5)


@pytest.mark.parametrize("rounds", [0, -1, 1.5, True, "3", None])
def test_bad_rounds(rounds):
    with pytest.raises(ValueError, match="`rounds` must be a positive integer. Received: rounds="):
        Iterative(0.5, rounds=rounds)


@pytest.mark.parametrize("final", [-0.1, 1, math.nan, "0.5"])
def test_rounds_to_something_that_is_no_share(final):
    with pytest.raises(ValueError, match="Received: final="):
        Iterative(final, rounds=3)


def test_rounds_that_do_not_fit_warn():
    schedule = Iterative(0.5, rounds=5, begin=10, end=13)
    with pytest.warns(UserWarning, match="5 rounds do not fit between the updates 10 and 13"):
        schedule.check(HORIZON)
    assert schedule(13) == 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Iterative(0.5, rounds=4, begin=10, end=13).check(HORIZON)
    with pytest.warns(UserWarning, match="Iterative cannot finish"):
        Iterative(0.5, rounds=4, begin=10, end=900).check(HORIZON)


SCHEDULES = st.builds(
    lambda cls, initial, final, begin, length, frequency: cls(
        initial, final, begin, begin + length, frequency=frequency
    ),
    st.sampled_from([PolynomialDecay, Linear, Cosine]),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(0, 50),
    st.integers(0, 300),
    st.none() | st.integers(1, 40),
)


@given(SCHEDULES, st.integers(-1, 400))
def test_what_is_due(schedule, update):
    begin, end = schedule.span(HORIZON)
    due = dues(schedule, HORIZON)
    assert due[0] == begin and due[-1] == end and due == sorted(set(due))
    assert schedule.next_due(update, HORIZON) == next((d for d in due if d > update), None)
    assert schedule.last_due(update, HORIZON) == max((d for d in due if d <= update), default=None)


@given(SCHEDULES)
def test_values_go_monotonically_from_initial_to_final(schedule):
    values = [schedule(update, HORIZON) for update in range(0, 400)]
    begin, end = schedule.span(HORIZON)
    assert all(value == schedule.initial for value in values[:begin])
    assert all(value == schedule.final for value in values[end:])
    sign = 1 if schedule.final >= schedule.initial else -1
    assert all(sign * (b - a) >= -1e-12 for a, b in zip(values, values[1:], strict=False))


@pytest.mark.parametrize(
    "schedule",
    [
        Constant(0.5),
        OneShot(0.5, begin=epochs(1.5)),
        PolynomialDecay(0.1, 0.9, begin="10%", end=epochs(7), power=2.5, frequency=7),
        Linear(1.0, 0.5, begin=3),
        Cosine(0.0, 1.0),
        Iterative(0.8, rounds=4, begin=epochs(1), end="70%"),
    ],
)
def test_serialization(schedule):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(schedule)))
    assert config["registered_name"] == f"kerasopt>{type(schedule).__name__}"
    restored = schedules.get(config)
    assert type(restored) is type(schedule)
    assert restored.get_config() == schedule.get_config()
    assert dues(restored, HORIZON) == dues(schedule, HORIZON)
    assert restored(60, HORIZON) == schedule(60, HORIZON)


def test_get():
    schedule = Linear(0.0, 1.0)
    assert schedules.get(schedule) is schedule
    assert schedules.get(0.5)(3, HORIZON) == 0.5
    cosine = schedules.get({"class_name": "cosine", "config": {"initial": 0.0, "final": 0.8}})
    assert isinstance(cosine, Cosine) and cosine.final == 0.8
    rounds = schedules.get({"class_name": "iterative", "config": {"final": 0.5, "rounds": 2}})
    assert isinstance(rounds, Iterative) and rounds.rounds == 2
    for wrong in ("cosine", None, True, keras.layers.Dense(1)):
        with pytest.raises(ValueError, match="Received: schedule="):
            schedules.get(wrong)


TFMOT = """
import json, sys
import tensorflow as tf
import tensorflow_model_optimization as tfmot

rows = []
for initial, final, begin, end, power, frequency in json.loads(sys.argv[1]):
    schedule = tfmot.sparsity.keras.PolynomialDecay(initial, final, begin, end, power, frequency)
    steps = tf.range(end + 10)
    due, values = tf.map_fn(
        lambda step: schedule(step), steps, fn_output_signature=(tf.bool, tf.float32)
    )
    rows.append([due.numpy().tolist(), [float(v) for v in values.numpy()]])
print(json.dumps(rows))
"""


def test_polynomial_decay_equals_tfmot_at_every_step():
    cases = [
        (0.0, 0.8, 0, 100, 3, 1),
        (0.1, 0.9, 7, 333, 3, 10),
        (0.0, 0.75, 100, 1000, 1, 100),
        (0.5, 0.97, 3, 50, 2, 7),
        (0.2, 0.6, 0, 77, 4.5, 5),
    ]
    # tfmot sets TF_USE_LEGACY_KERAS for its process, so it gets one of its own.
    process = subprocess.run(
        [sys.executable, "-c", TFMOT, json.dumps(cases)],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        cwd=pathlib.Path(__file__).parent,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    results = json.loads(process.stdout.splitlines()[-1])
    for case, (tfmot_due, tfmot_values) in zip(cases, results, strict=True):
        initial, final, begin, end, power, frequency = case
        schedule = PolynomialDecay(initial, final, begin, end, power, frequency)
        values = [schedule(step, HORIZON) for step in range(end + 10)]
        # tfmot computes in float32: its last bits are rounding, 2**-23 at most below 1.
        assert values == pytest.approx(tfmot_values, rel=0, abs=2**-23)
        expected = {step for step, due in enumerate(tfmot_due) if due} | {end}
        assert dues(schedule, HORIZON) == sorted(expected)
