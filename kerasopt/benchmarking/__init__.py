"""Measures models and reports the results."""

from kerasopt.benchmarking.benchmark_report import BenchmarkReport, ModelBenchmark
from kerasopt.benchmarking.comparison import benchmark
from kerasopt.benchmarking.layer_statistics import LayerStatistics
from kerasopt.benchmarking.model_summary import ModelSummary, summary

__all__ = [
    "BenchmarkReport",
    "LayerStatistics",
    "ModelBenchmark",
    "ModelSummary",
    "benchmark",
    "summary",
]
