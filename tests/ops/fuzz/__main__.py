"""Fuzzes the native ops: `python -m ops.fuzz --calls 1000000`, in the folder `tests`.

Calls run in child processes: one that dies is a failure, and so is one that disagrees with
another path. `--seed S --only N` repeats call N in this process.
"""

import argparse
import sys

from ops.fuzz import processes, schedule

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--calls", type=int, default=20_000)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--workers", type=int, default=2)
parser.add_argument("--only", type=int)
arguments = parser.parse_args()

if arguments.only is not None:
    print(schedule.call_of(arguments.seed, arguments.only))
    print(schedule.run(arguments.seed, arguments.only))
    sys.exit()
report = processes.fuzz(arguments.calls, arguments.seed, arguments.workers)
print(report)
sys.exit(bool(report.failures))
