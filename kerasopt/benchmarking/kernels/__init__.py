"""Speed of kerasopt's kernels on this machine, compared with other installed runtimes.

Everything is timed in one process, in interleaved rounds. Times are medians over the rounds, and a
ratio is the median of the ratios of all rounds.

A case (`case.py`) is a function that returns a name and how to prepare the calls; the table in
`cases.py` lists all cases. `peers/` has one module for each other runtime.
"""

from kerasopt.benchmarking.kernels.bench import bench, start
from kerasopt.benchmarking.kernels.case import Case, Work
from kerasopt.benchmarking.kernels.cases import CASES, select
from kerasopt.benchmarking.kernels.result import Result, measure

__all__ = ["CASES", "Case", "Result", "Work", "bench", "measure", "select", "start"]
