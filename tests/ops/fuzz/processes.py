"""Child processes that run calls, and the parent that sees them die."""

import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from ops.fuzz import schedule

# No call takes so long, nor the imports before the first one, on a busy machine.
_MOST_SECONDS = 900
# TensorFlow keeps something of every call, and compiled ones, for ever: then a new process goes on.
_MOST_CALLS = 20_000
# Address space of a child: a call that asks for more fails, and the machine goes on.
_MOST_BYTES = 40 << 30
_TESTS = pathlib.Path(__file__).parents[2]


class Report(NamedTuple):
    """What happened.

    Attributes:
        counts: Counter of (op, mode, whether the call succeeded).
        failures: List of strings: how to repeat a call that died or disagreed, and what it did.
    """

    counts: collections.Counter
    failures: list[str]

    def __str__(self):
        calls = self.counts.total()
        succeeded = sum(count for (_, _, ok), count in self.counts.items() if ok)
        lines = [f"{calls} calls, {succeeded} succeeded, {len(self.failures)} failures"]
        return "\n".join(lines + self.failures)


def fuzz(calls, seed, workers):
    """Runs calls 0 to `calls` in so many processes at once; returns a `Report`."""
    bounds = [calls * i // workers for i in range(workers + 1)]
    with tempfile.TemporaryDirectory() as folder:
        children = [
            _Child(seed, first, last, pathlib.Path(folder, str(first)))
            for first, last in zip(bounds, bounds[1:], strict=False)
        ]
        while not all([child.poll() for child in children]):
            time.sleep(0.2)
    counts = sum((child.counts for child in children), collections.Counter())
    return Report(counts, [failure for child in children for failure in child.failures])


class _Child:
    """A process that runs a range of calls, and the next one behind its end or its death."""

    def __init__(self, seed, first, last, path):
        self.seed, self.next, self.last, self.path = seed, first, last, path
        self.counts, self.failures = collections.Counter(), []
        self._start()

    def _start(self):
        self.path.write_bytes(b"")
        self.end = min(self.next + _MOST_CALLS, self.last)
        command = [sys.executable, "-c", "import sys; from ops.fuzz import processes; "]
        command[-1] += "processes.run_calls(*sys.argv[1:])"
        arguments = [self.seed, self.next, self.end, self.path]
        paths = [str(_TESTS), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        self.process = subprocess.Popen(
            [*command, *map(str, arguments)],
            env={**environment, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.size, self.seen = 0, time.monotonic()

    def poll(self):
        """Returns whether all is done."""
        code = self.process.poll()
        if code is None:
            size = self.path.stat().st_size
            if size != self.size:
                self.size, self.seen = size, time.monotonic()
            if time.monotonic() - self.seen > _MOST_SECONDS:
                self.process.kill()
                self._collect(f"took more than {_MOST_SECONDS} s")
            return False
        if self.next < self.last:
            self._collect(f"died with code {code}")
        return self.next >= self.last

    def _collect(self, ending):
        """Reads what a process that has ended did, tells it, and starts the next one if need be."""
        self.process.wait()
        done = [json.loads(line) for line in self.path.read_text().splitlines()]
        self.counts.update(
            (op, mode, refusal is failure is None) for op, mode, refusal, failure in done
        )
        failures = [
            f"{op}, {mode}: {failure}" for op, mode, _, failure in done if failure is not None
        ]
        begin, self.next = self.next, self.next + len(done)
        if self.next < self.end:
            mode, call, _ = schedule.call_of(self.seed, self.next)
            repeat = f"python -m ops.fuzz --seed {self.seed} --only {self.next}"
            failures.append(f"{call.op}, {mode}: {ending} ({repeat})")
            self.next += 1
        print(
            f"calls {begin} to {self.next}: {len(failures)} failures",
            *failures,
            sep="\n",
            flush=True,
        )
        self.failures += failures
        if self.next < self.last:
            self._start()


def run_calls(seed, first, last, path):
    """Runs calls and writes a line for each to a file, as a child process."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    seed = int(seed)
    with open(path, "a", buffering=1) as file:
        for number in range(int(first), int(last)):
            failure = None
            mode, call, rng = schedule.call_of(seed, number)
            try:
                refusal = schedule.paths.check(call, mode, rng)
            except Exception as error:
                refusal = None
                repeat = f"python -m ops.fuzz --seed {seed} --only {number}"
                failure = f"{type(error).__name__}: {error} ({repeat})"
            file.write(json.dumps([call.op, mode, refusal, failure]) + "\n")
