"""The current sparsity of a metric-guided search, as a schedule."""

from kerasopt.schedules.schedule import UNKNOWN, Schedule
from kerasopt.sparsity.metric_guided.metric_guided import MetricGuided


class GuidedSparsity(Schedule):
    """A schedule whose value a search changes between epochs.

    Args:
        guided: The `MetricGuided` of the search.

    Attributes:
        level: Float, the current sparsity.
    """

    def __init__(self, guided: MetricGuided):
        super().__init__(0.0, guided.limit, guided.begin)
        self.guided = guided
        self.level = 0.0

    def __call__(self, update, horizon=UNKNOWN):
        return self.level

    def next_due(self, update, horizon=UNKNOWN):
        return None

    def last_due(self, update, horizon=UNKNOWN):
        return update if self.level else None

    def check(self, horizon):
        self.guided.check(horizon)
