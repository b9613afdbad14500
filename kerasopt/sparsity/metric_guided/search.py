"""A metric-guided search in a model during training."""

from collections.abc import Iterable, Mapping

import keras
import numpy as np

from kerasopt.sparsity.metric_guided.metric_guided import (
    ACCEPT,
    BACK,
    FINISHED,
    NOT_BEGUN,
    SEARCHING,
    MetricGuided,
    SearchState,
)
from kerasopt.training.direction import metric_direction
from kerasopt.training.model_state import ModelState
from kerasopt.training.snapshot import Snapshot
from kerasopt.warning import warn

_NAME = "metric_guided"


class MetricSearch:
    """Carries out the decisions of a `MetricGuided`; its state is kept in the model.

    The metric of an epoch belongs to the model at its end, so decisions are carried out when the
    next epoch begins, after checkpoints have been written. The caller updates the masks; it calls

    - `start` when training begins;
    - `advance` when an epoch begins, and updates the masks to the returned sparsity;
    - `score` when an epoch ends;
    - `end` when training ends.

    `advance` and `end` may set the optimizer back to earlier iterations (see `Snapshot.restore`).

    Args:
        guided: The `MetricGuided` that decides.
        model: A built and compiled model with no other search.
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
        """The state of the search."""
        return SearchState(*self._variable.numpy().tolist())

    @property
    def stage(self) -> int:
        """0 while nothing is pruned, 1 during the search, 2 at the final level."""
        state = self.state
        return SEARCHING if state.action == BACK else int(state.stage)

    @property
    def copies(self) -> list[keras.Variable]:
        """The variables that hold the state to go back to."""
        return self._snapshot.copies

    def start(self, epoch: int, sparsity: float) -> None:
        """Starts a search, unless one is being continued.

        Args:
            epoch: The epoch that begins; 0 is a new training.
            sparsity: The sparsity of the model.
        """
        if epoch == 0 or self.state.step == 0:
            self._set(self._guided.start(sparsity))
        elif not self._snapshot.is_taken:
            self._snapshot.take()  # the end of an earlier `fit`

    def advance(self) -> float:
        """Carries out the decision of the last epoch, except for updating the masks.

        Returns:
            The sparsity on trial, for the masks; 0.0 if there is none, since the masks are then
            final.
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
                "The metric that guides pruning is not in the logs of this epoch, which are "
                f"{sorted(logs or {})}. A `val_` metric needs validation after every epoch: pass "
                "`validation_data` or `validation_split` to `fit()`, and no `validation_freq`. "
                f"Received: monitor={monitor!r}"
            )
        name = monitor.removeprefix("val_")
        sign = 1 if metric_direction(self._model, name, self._guided.mode) == "max" else -1
        self._set(self._guided.decide(self.state, sign * float(logs[monitor]), begun))

    def end(self) -> None:
        """Restores the accepted state, if the model is not within the budget."""
        state = self.state
        if state.stage != NOT_BEGUN and not state.within:
            self._snapshot.restore()
            optimizer = self._model.optimizer
            # As Keras does at the end of training: with `use_ema`, weights become their averages.
            optimizer.finalize_variable_values(self._model.trainable_variables)
            # A continued training tries the level again.
            self._set(state.done()._replace(within=1, epochs=0))
        if state.stage != FINISHED:
            warn(
                "The training ended before the metric-guided search was finished: "
                f"{round(state.accepted, 6)} is the highest sparsity found within the budget. "
                f"Train longer, or pass a larger `step`. Received: step={self._guided.step}",
            )

    def close(self) -> None:
        """Removes what is needed in this `fit` only; a later one can continue the search."""
        self._snapshot.remove()

    def undo(self) -> None:
        """Removes everything that this search has added to the model."""
        self.close()
        if self._is_new:
            ModelState.remove(self._model, _NAME)

    def _set(self, state: SearchState) -> None:
        self._variable.assign(np.array(state, "float32"))
