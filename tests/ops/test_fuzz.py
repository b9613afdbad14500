"""Random calls of every native op, hostile ones too, in child processes: none may die.

More of them: see `ops/fuzz/__main__.py`.
"""

from ops.fuzz import processes, schedule
from ops.fuzz.calls import CALLS

CALLS_IN_CI = 20_000


def test_every_native_op_has_calls():
    assert sorted(CALLS) == schedule.registered_ops()


def test_no_call_dies_and_all_paths_agree():
    report = processes.fuzz(CALLS_IN_CI, seed=0, workers=2)
    print(report)
    assert not report.failures, str(report)
    assert report.counts.total() == CALLS_IN_CI
    modes = {"eager", "graph", "jit", "reference"}
    assert {(op, mode) for op, mode, _ in report.counts} == {(op, m) for op in CALLS for m in modes}
    # Half of the calls are not spoilt.
    assert sum(n for (_, _, ok), n in report.counts.items() if ok) > CALLS_IN_CI / 3
