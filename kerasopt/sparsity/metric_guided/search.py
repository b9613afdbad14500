"""A metric-guided search in a model that trains."""

from collections.abc import Iterable, Mapping

import keras
import numpy as np

from kerasopt.sparsity.metric_guided.direction import metric_direction
from kerasopt.sparsity.metric_guided.metric_guided import (
    ACCEPT,
    BACK,
    FINISHED,
    NOT_BEGUN,
    SEARCHING,
    MetricGuided,
    SearchState,
)
from kerasopt.training.model_state import ModelState
from kerasopt.training.snapshot import Snapshot
from kerasopt.warning import warn

_NAME = "metric_guided"


class MetricSearch:
    """Carries out what a `MetricGuided` decides; all that it knows is kept in the model.

    An epoch's metric is that of the model as it is at its end, so decisions are carried out when
    the next epoch begins, after checkpoints have been written. The caller moves the masks: it calls

    - `start` when training begins;
    - `advance` when an epoch begins, and moves the masks to the sparsity that it returns;
    - `score` when an epoch ends;
    - `end` when training ends.

    `advance` and `end` may set the optimizer back to earlier iterations (see `Snapshot.restore`).

    Args:
        guided: The `MetricGuided` that decides.
        model: A built and compiled model, of which there is one search at a time.
        masks: List of the boolean variables that prune the model.
    """

    def __init__(self, guided: MetricGuided, model: keras.Model, masks: Iterable[keras.Variable]):
        self._guided = guided
        self._model = model
        self._is_new = ModelState.find(model, _NAME) is None
        self._variable = ModelState.of(model, _NAME, np.array(SearchState(), "float32"))
        self._snapshot = Snapshot.of(model, f"{_NAME}_snapshot", include=masks)

    @property
    def state(self) -> SearchState:
        """Where the search stands."""
        return SearchState(*self._variable.numpy().tolist())

    @property
    def stage(self) -> int:
        """0 while nothing is pruned, 1 during the search, 2 when the level is found and runs."""
        state = self.state
        return SEARCHING if state.action == BACK else int(state.stage)

    @property
    def copies(self) -> list[keras.Variable]:
        """The variables that hold the state to go back to."""
        return self._snapshot.copies

    def start(self, epoch: int, sparsity: float) -> None:
        """Begins a search, unless one goes on.

        Args:
            epoch: The epoch that begins; 0 is a new training.
            sparsity: The sparsity of the model.
        """
        if epoch == 0 or self.state.step == 0:
            self._set(self._guided.start(sparsity))
        elif not self._snapshot.is_taken:
            self._snapshot.take()  # what an earlier `fit` has ended with

    def advance(self) -> float:
        """Carries out what the last epoch decided, but for moving the masks.

        Returns:
            The sparsity on trial, that the masks are to be moved to; 0.0 if none is, since
            masks are where they have to be then.
        """
        state = self.state
        if state.action == ACCEPT:
            self._snapshot.take()
        elif state.action == BACK:
            self._snapshot.restore()
        self._set(state.done())
        return round(state.level, 6) if state.level > state.accepted else 0.0

    def score(self, logs: Mapping[str, float] | None, begun: bool) -> None:
        """Decides by the metric of an epoch.

        Args:
            logs: What `on_epoch_end` receives.
            begun: Boolean, whether the `begin` of the `MetricGuided` has come.

        Raises:
            ValueError: If the metric is not in `logs`, or its direction is not known.
        """
        monitor = self._guided.monitor
        if not logs or monitor not in logs:
            raise ValueError(
                f"The metric that guides pruning is not in the logs of this epoch: it has "
                f"{sorted(logs or {})}. A `val_` metric takes validation after every epoch: pass "
                "`validation_data` or `validation_split` to `fit()`, and no `validation_freq`. "
                f"Received: monitor={monitor!r}"
            )
        name = monitor.removeprefix("val_")
        sign = 1 if metric_direction(self._model, name, self._guided.mode) == "max" else -1
        self._set(self._guided.decide(self.state, sign * float(logs[monitor]), begun))

    def end(self) -> None:
        """Goes back to what was accepted, if the model is not within the budget."""
        state = self.state
        if state.stage != NOT_BEGUN and not state.within:
            self._snapshot.restore()
            optimizer = self._model.optimizer
            # As Keras has done before: with `use_ema`, weights become their averages.
            optimizer.finalize_variable_values(self._model.trainable_variables)
            # A training that goes on tries the level again.
            self._set(state.done()._replace(within=1, epochs=0))
        if state.stage != FINISHED:
            warn(
                "The training has ended before the metric-guided search of the sparsity: "
                f"{round(state.accepted, 6)} is the last that was within the budget. Train "
                f"longer, or pass a larger `step`. Received: step={self._guided.step}",
            )

    def close(self) -> None:
        """Takes off what is there for this `fit` only; a later one can go on with the search."""
        self._snapshot.remove()

    def undo(self) -> None:
        """Takes off all that this search has put on the model."""
        self.close()
        if self._is_new:
            ModelState.remove(self._model, _NAME)

    def _set(self, state: SearchState) -> None:
        self._variable.assign(np.array(state, "float32"))
