"""Sparsity that is looked for by a metric."""

from kerasopt.sparsity.metric_guided.direction import metric_direction
from kerasopt.sparsity.metric_guided.guided_sparsity import GuidedSparsity
from kerasopt.sparsity.metric_guided.metric_guided import MetricGuided
from kerasopt.sparsity.metric_guided.search import MetricSearch

__all__ = ["GuidedSparsity", "MetricGuided", "MetricSearch", "metric_direction"]
