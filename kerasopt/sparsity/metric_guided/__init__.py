"""Metric-guided search for the sparsity."""

from kerasopt.sparsity.metric_guided.metric_guided import MetricGuided

__all__ = ["MetricGuided"]
