"""Speed of kerasopt's kernels on this machine, beside what else is installed.

Everything is timed in one process, in interleaved rounds. Figures are medians of the rounds, and a
ratio is the median of the ratios of each round.

A case (`case.py`) is a function in a module of its own theme that returns a name and how to prepare
the calls; the table in `cases.py` lists them. `peers/` has what others compute, one module each.
"""

from kerasopt.benchmarking.kernels.bench import bench, start
from kerasopt.benchmarking.kernels.case import Case, Work
from kerasopt.benchmarking.kernels.cases import CASES, select
from kerasopt.benchmarking.kernels.result import Result, measure

__all__ = ["CASES", "Case", "Result", "Work", "bench", "measure", "select", "start"]
