import json
import math

import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies as st

import kerasopt as ko
from kerasopt.schedules.times import Horizon
from kerasopt.sparsity.metric_guided.metric_guided import (
    ACCEPT,
    BACK,
    FINISHED,
    NOT_BEGUN,
    SEARCHING,
    WAIT,
    MetricGuided,
    SearchState,
)
from kerasopt.sparsity.metric_guided.search import MetricSearch


def run(guided, scores, begun_after=1):
    """Yields the state after each epoch, whose score may depend on the level that it ran."""
    state = guided.start(0.0)
    for epoch, score in enumerate(scores):
        score = score(state.level) if callable(score) else score
        state = guided.decide(state, score, epoch + 1 >= begun_after)
        yield SearchState(*np.array(state, "float32").tolist())
        state = state.done()


def levels(states):
    return [(int(state.action), round(state.level, 4)) for state in states]


def test_the_sparsity_rises_while_the_metric_is_within_the_budget():
    states = list(run(MetricGuided(budget=0.02, step=0.25), [0.9, 0.9, 0.89, 0.88]))
    assert levels(states) == [(ACCEPT, 0.25), (ACCEPT, 0.5), (ACCEPT, 0.75), (ACCEPT, 0.99)]
    assert states[-1].accepted == 0.75  # a fall of exactly the budget is within


def test_it_goes_back_and_halves_the_step():
    scores = [lambda level: 0.9 if level < 0.65 else 0.5] * 9
    states = list(run(MetricGuided(step=0.4, tolerance=0.1), scores))
    assert levels(states) == [
        (ACCEPT, 0.4),
        (ACCEPT, 0.8),
        (BACK, 0.6),
        (ACCEPT, 0.7),
        (BACK, 0.6),
        *[(ACCEPT, 0.6)] * 4,
    ]
    assert [state.stage for state in states[-5:]] == [FINISHED] * 5


def test_a_level_has_patience_epochs():
    guided = MetricGuided(step=0.5, patience=3)
    assert levels(run(guided, [0.9, 0.1, 0.1, 0.1])) == [
        (ACCEPT, 0.5),
        (WAIT, 0.5),
        (WAIT, 0.5),
        (BACK, 0.25),
    ]
    assert levels(run(guided, [0.9, 0.1, 0.9]))[-1] == (ACCEPT, 0.99)


def test_the_baseline_is_the_best_before_it_begins():
    states = list(run(MetricGuided(), [0.7, 0.9, math.nan, 0.8], begun_after=4))
    assert [state.action for state in states] == [WAIT, WAIT, WAIT, ACCEPT]
    assert states[-1].baseline == np.float32(0.9)
    assert [state.stage for state in states] == [NOT_BEGUN] * 4
    assert states[-1].done().stage == SEARCHING


def test_a_metric_that_is_no_number_is_no_baseline_and_not_within():
    assert levels(run(MetricGuided(), [math.nan, 0.9, math.nan])) == [
        (WAIT, 0.0),
        (ACCEPT, 0.1),
        (BACK, 0.05),
    ]


def test_a_finished_search_keeps_the_last_state_within_the_budget():
    guided = MetricGuided(step=0.5, tolerance=0.5, limit=0.5)
    states = list(run(guided, [0.9, 0.9, 0.9, 0.5, 0.9]))
    assert [state.stage for state in states[1:]] == [FINISHED] * 4
    assert [state.action for state in states] == [ACCEPT, ACCEPT, ACCEPT, WAIT, ACCEPT]
    assert [state.within for state in states] == [1, 1, 1, 0, 1]


@hypothesis.given(
    st.floats(0.0, 1.0), st.floats(0.01, 0.5), st.floats(0.005, 0.5), st.floats(0.1, 0.99)
)
def test_it_finds_the_highest_sparsity_within_the_budget(highest, step, tolerance, limit):
    tolerance = min(tolerance, step)
    guided = MetricGuided(step=step, tolerance=tolerance, limit=limit)
    states = list(run(guided, [lambda level: 0.9 if level <= highest else 0.1] * 150))
    last = states[-1]
    assert last.stage == FINISHED and last.level == last.accepted <= highest + 1e-6
    assert min(highest, limit) - last.accepted < 2 * tolerance + 1e-5
    accepted = [state.accepted for state in states]
    assert accepted == sorted(accepted) and max(state.level for state in states) <= limit + 1e-6


@pytest.mark.parametrize(
    "name, value",
    [
        ("budget", -0.1),
        ("budget", math.nan),
        ("step", 0.0),
        ("step", 1.0),
        ("step", "0.1"),
        ("tolerance", 0.2),
        ("tolerance", 0),
        ("limit", 1.0),
        ("patience", 0),
        ("patience", 1.5),
        ("mode", "up"),
        ("begin", -1),
    ],
)
def test_bad_arguments(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must.*Received: {name}="):
        MetricGuided(**{name: value})


def test_serialization():
    guided = MetricGuided("val_loss", 0.2, "10%", 0.2, 2, 0.05, 0.9, "min")
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(guided)))
    loaded = keras.saving.deserialize_keras_object(config)
    assert isinstance(loaded, MetricGuided) and loaded.get_config() == guided.get_config()
    default = keras.saving.serialize_keras_object(MetricGuided())
    assert keras.saving.deserialize_keras_object(default).begin == ko.epochs(1)


def test_a_begin_after_the_end_warns():
    with pytest.warns(UserWarning, match="begins at update 40.*has 30.*Received: begin=40"):
        MetricGuided(begin=40).check(Horizon(30, 10.0))


def compiled():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    for layer in model.layers:
        ko.parametrize(layer, "kernel", ko.sparsity.Mask())
    return model, [mask for _, mask in ko.sparsity.masked_variables(model)]


def test_logs_without_the_metric_raise():
    model, masks = compiled()
    search = MetricSearch(MetricGuided("val_loss"), model, masks)
    with pytest.raises(ValueError, match=r"are \['loss'\].*validation_data.*monitor='val_loss'"):
        search.score({"loss": 1.0}, True)


def test_going_back_restores_weights_masks_and_optimizer():
    model, masks = compiled()
    search = MetricSearch(MetricGuided("val_loss", step=0.5), model, masks)
    search.start(0, 0.0)
    assert search.advance() == 0.0 and search.stage == 0
    search.score({"val_loss": 1.0}, True)
    assert search.stage == 0  # nothing is pruned yet
    assert search.advance() == 0.5 and search.stage == 1
    accepted = [v.numpy() for v in (*model.weights, *model.optimizer.variables)]
    for mask in masks:
        mask.assign(np.arange(mask.shape[0])[:, None] % 2 + 0 * mask.numpy() > 0)
    x = np.ones((8, 8), "float32")
    model.fit(x, x[:, :1], verbose=0)
    search.score({"val_loss": 1.5}, True)
    assert search.advance() == 0.25
    for variable, value in zip((*model.weights, *model.optimizer.variables), accepted, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)

    model.fit(x, x[:, :1], verbose=0)
    search.score({"val_loss": 1.5}, True)
    with pytest.warns(UserWarning, match="ended before.*0.0 is the highest.*Received: step=0.5"):
        search.end()
    for variable, value in zip((*model.weights, *model.optimizer.variables), accepted, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    search.undo()
    assert not any("metric_guided" in variable.name for variable in model.variables)


def test_fit_ends_within_the_budget():
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    x = generator.normal(size=(256, 16)).astype("float32")
    y = x[:, :4].sum(axis=1, keepdims=True)  # a quarter of the inputs matter
    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    guided = MetricGuided("val_loss", 0.1, ko.epochs(4), step=0.25, tolerance=0.05)
    pruning = ko.callbacks.Pruning(guided)
    data = {"validation_data": (x, y), "batch_size": 32, "verbose": 0}
    history = model.fit(x, y, epochs=16, callbacks=[pruning], **data).history
    ((_, mask),) = ko.sparsity.masked_variables(model)
    assert mask.numpy().mean() == 0.25 and mask.numpy()[:4].all()
    assert pruning.stage == 2
    # The last level that was tried costs more than the budget, and the model went back from it.
    baseline = min(history["val_loss"][:4])
    assert max(history["val_loss"][4:]) > baseline + 0.1
    assert model.evaluate(x, y, verbose=0) <= baseline + 0.1 + 1e-6
