"""Metric-guided sparsity: as high as an accuracy budget allows."""

import math
import numbers
from typing import NamedTuple

import keras
import numpy as np

from kerasopt.schedules.times import Epochs, Horizon, Time, resolve, validate_time
from kerasopt.training.direction import MODES
from kerasopt.warning import warn

# Stages of a search.
NOT_BEGUN, SEARCHING, FINISHED = 0, 1, 2

# Decisions after an epoch: continue; accept the level and raise it; go back and raise it less.
WAIT, ACCEPT, BACK = 0, 1, 2

_AFTER_ONE_EPOCH = Epochs(1)

# The state is float32.
_ROUNDING = 1e-6


class SearchState(NamedTuple):
    """The state of a search, all numbers, so that one variable of the model holds it.

    Attributes:
        stage: `NOT_BEGUN`, `SEARCHING` or `FINISHED`.
        baseline: The best score before pruning began; NaN while there is none.
        accepted: The highest sparsity that was within the budget.
        level: The sparsity that is on trial, or `accepted` if none is.
        step: The current or last difference between `level` and `accepted`.
        epochs: The number of epochs for which `level` has been on trial.
        failed: 1 if a level has failed in this search, else 0.
        within: 1 if the model was within the budget when it was last scored, else 0.
        action: `WAIT`, `ACCEPT` or `BACK`: what the last epoch decided, until it is done.
    """

    stage: float = NOT_BEGUN
    baseline: float = math.nan
    accepted: float = 0.0
    level: float = 0.0
    step: float = 0.0
    epochs: float = 0
    failed: float = 0
    within: float = 1
    action: float = WAIT

    def done(self) -> "SearchState":
        """The state when the action has been carried out."""
        return self._replace(
            stage=self.stage if self.action == WAIT else max(self.stage, SEARCHING), action=WAIT
        )


@keras.saving.register_keras_serializable(package="kerasopt")
class MetricGuided:
    """Raises the sparsity as far as a metric stays within a budget of the dense model's.

    The user sets the acceptable loss of accuracy, not the sparsity. The *baseline* is the best
    value of the metric before `begin`. Then the sparsity rises by `step`, and at the end of each
    epoch

    - if the metric is within `budget` of the baseline, the level is accepted: the state of the
      training is kept, and the sparsity rises again;
    - if it is not, for `patience` epochs at the same level, the training goes back to the state
      that was kept last (weights, masks, optimizer), and tries half the step. From the first
      failure on, every step is half the previous one: a bisection.

    The search is finished when the next raise would be smaller than `tolerance`; the model then
    continues to train at the accepted level. A training ends with a model within the budget: if the
    last epoch was not, the last accepted state is restored. Only going back decreases the sparsity.

    This follows NNCF's adaptive compression training (Kozlov et al., 2020,
    https://arxiv.org/abs/2002.08679), but restores the weights along with the level.

    ```python
    guided = ko.sparsity.MetricGuided("val_accuracy", budget=0.01, begin=ko.epochs(2))
    model.fit(x, y, validation_split=0.1, epochs=30, callbacks=[ko.callbacks.Pruning(guided)])
    ```

    A small validation set makes the metric noisy: `budget` should be larger than its noise.

    Args:
        monitor: String, a key of the logs of `fit`, present in every epoch.
        budget: Non-negative float, by how much the metric may be worse than the baseline, in units
            of the metric: for an accuracy, 0.01 is one percentage point.
        begin: Time from which levels are tried. The first trial starts at the end of an epoch,
            since the baseline takes at least one epoch.
        step: Float in (0, 1), by how much the sparsity rises.
        patience: Positive integer, the number of epochs in which a level must get within the
            budget.
        tolerance: Float in (0, `step`], the smallest raise that is tried.
        limit: Float in (0, 1), the highest sparsity that is tried.
        mode: `"max"` if higher is better, `"min"` if lower is, or `"auto"`, as in Keras' callbacks.

    Raises:
        ValueError: If an argument is outside its range; in `fit`, at the end of the first epoch, if
            the metric is not in the logs, or its direction is unknown.
    """

    def __init__(
        self,
        monitor: str = "val_accuracy",
        budget: float = 0.01,
        begin: Time = _AFTER_ONE_EPOCH,
        step: float = 0.1,
        patience: int = 1,
        tolerance: float = 0.01,
        limit: float = 0.99,
        mode: str = "auto",
    ):
        if not isinstance(monitor, str) or not monitor:
            raise ValueError(
                "`monitor` must be a key of the logs of `fit`, such as 'val_accuracy'. "
                f"Received: monitor={monitor!r}"
            )
        self.monitor = monitor
        self.budget = _number(budget, "budget", 0 <= _real(budget) < math.inf, "not negative")
        self.begin = validate_time(begin, "begin")
        self.step = _number(step, "step", 0 < _real(step) < 1, "between 0 and 1")
        self.patience = patience
        self.tolerance = _number(
            tolerance, "tolerance", 0 < _real(tolerance) <= self.step, "positive, at most `step`"
        )
        self.limit = _number(limit, "limit", 0 < _real(limit) < 1, "between 0 and 1")
        self.mode = mode
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 1:
            raise ValueError(
                f"`patience` must be a positive number of epochs. Received: patience={patience!r}"
            )
        if mode not in MODES:
            raise ValueError(f"`mode` must be one of {list(MODES)}. Received: mode={mode!r}")

    def start(self, sparsity: float) -> SearchState:
        """The state of a search that begins with a model of this sparsity."""
        return SearchState(accepted=sparsity, level=sparsity, step=self.step)

    def decide(self, state: SearchState, score: float, begun: bool) -> SearchState:
        """Decides at the end of an epoch; a pure function.

        Args:
            state: The state before, whose action has been carried out.
            score: The metric, negated if lower is better.
            begun: Boolean, whether `begin` has come.

        Returns:
            The new state. Its `action` is to be carried out before the next epoch, and its `level`
            is the sparsity of that epoch.
        """
        if state.stage == NOT_BEGUN:
            state = state._replace(baseline=float(np.fmax(state.baseline, score)))
            if not begun or math.isnan(state.baseline):
                return state
            return self._propose(state, ACCEPT)
        # NaN is not within the budget.
        within = bool(score >= state.baseline - self.budget - _ROUNDING)
        state = state._replace(within=int(within), epochs=state.epochs + 1)
        if state.stage == FINISHED:
            return state._replace(action=ACCEPT if within else WAIT)
        if within:
            return self._propose(state._replace(accepted=state.level), ACCEPT)
        if state.epochs < self.patience:
            return state
        return self._propose(state._replace(failed=1), BACK)

    def _propose(self, state: SearchState, action: int) -> SearchState:
        step = state.step / 2 if state.failed else state.step
        level = min(state.accepted + step, self.limit)
        state = state._replace(epochs=0, action=action)
        if level - state.accepted < self.tolerance - _ROUNDING:
            return state._replace(stage=FINISHED, level=state.accepted)
        return state._replace(step=step, level=level)

    def has_begun(self, update: int, horizon: Horizon) -> bool:
        """Whether `begin` has been reached after `update` updates."""
        return update >= resolve(self.begin, horizon, "begin")

    def check(self, horizon: Horizon) -> None:
        """Raises if `begin` cannot be resolved in this training, warns if it is too late."""
        begin = resolve(self.begin, horizon, "begin")
        if horizon.total is not None and begin >= horizon.total:
            warn(
                f"MetricGuided begins at update {begin}, but this training has {horizon.total} "
                f"optimizer updates: it prunes nothing. Received: begin={self.begin!r}",
            )

    def get_config(self) -> dict:
        return {
            "monitor": self.monitor,
            "budget": self.budget,
            "begin": keras.saving.serialize_keras_object(self.begin),
            "step": self.step,
            "patience": self.patience,
            "tolerance": self.tolerance,
            "limit": self.limit,
            "mode": self.mode,
        }

    @classmethod
    def from_config(cls, config: dict) -> "MetricGuided":
        config = dict(config)
        if "begin" in config:
            config["begin"] = keras.saving.deserialize_keras_object(config["begin"])
        return cls(**config)


def _real(value) -> float:
    # Comparisons with NaN are false.
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return float(value) if real else math.nan


def _number(value, name: str, valid: bool, range_: str) -> float:
    if not valid:
        raise ValueError(f"`{name}` must be a number, {range_}. Received: {name}={value!r}")
    return float(value)
