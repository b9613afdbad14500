"""Metric-guided pruning in one training."""

from kerasopt.sparsity.metric_guided.guided_sparsity import GuidedSparsity
from kerasopt.sparsity.metric_guided.search import MetricSearch
from kerasopt.sparsity.pruning_run import PruningRun
from kerasopt.training.attaching import attached
from kerasopt.training.clock import Clock


class GuidedRun(PruningRun):
    """Updates masks, between epochs, to the sparsity that a search has reached."""

    is_joint = False
    schedule: GuidedSparsity
    _search: MetricSearch | None = None
    _has_started = False

    def make_schedule(self):
        return GuidedSparsity(self.recipe.schedule)

    def timed(self):
        # The schedule of the search is due whenever it is asked.
        return [schedule for schedule in super().timed() if schedule is not self.schedule]

    def make_room(self, model):
        self._check(model)
        masks = [weight.link.mask for weight in self.plan.weights]
        self._search = MetricSearch(self.recipe.schedule, model, masks)
        self.attachments.at_end(self._search.close, self._search.copies)

    def detach(self):
        super().detach()
        if self._search is not None:
            self._search.undo()

    def _check(self, model):
        guided = self.recipe.schedule
        if self.schedule not in self.plan.schedules:
            raise ValueError(
                "The rules name every layer, so no layer is left for the metric to guide. Remove a "
                f"rule, or pass a schedule. Received: schedule={guided}, rules for "
                f"{[selector for selector, _ in self.recipe.rules]}"
            )
        others = [other.run for other in attached(model) if other.run is not self]
        if any(isinstance(other, GuidedRun) for other in others):
            raise ValueError(
                "Only one callback of a `fit` can search for a sparsity by a metric. Pass a "
                f"schedule to the other. Received: schedule={guided}"
            )

    def on_epoch_begin(self, epoch):
        super().on_epoch_begin(epoch)
        clock = Clock.of(self.model)
        if not self._has_started:
            self._has_started = True
            self._search.start(epoch, self.plan.sparsity)
        with clock.held():
            self.schedule.level = self._search.advance()
        self.on_update(clock.update, self.horizon)

    def on_epoch_end(self, logs):
        update = Clock.of(self.model).update
        self._search.score(logs, self.recipe.schedule.has_begun(update, self.horizon))

    def end(self):
        with Clock.of(self.model).held():
            self._search.end()
        self.schedule.level = 0.0  # whatever it was, the masks are final

    @property
    def stage(self):
        return self._search.stage
