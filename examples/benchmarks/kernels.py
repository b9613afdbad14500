"""Speed of the integer kernels, with one thread and with two: what `kerasopt bench-kernels` times.

    python examples/benchmarks/kernels.py
    python examples/benchmarks/kernels.py --only "*sparse*" "int4*"

Workloads that are not measured keep their rows.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import results

OURS = "kerasopt"
COLUMNS = {
    "work": ("Work", ""),
    "threads": ("Threads", "d"),
    "milliseconds": ("kerasopt (ms)", "#.3g"),
    "peer": ("Peer", ""),
    "peer_milliseconds": ("Its time (ms)", "#.3g"),
    "times_as_fast": ("Times as fast", ".2f"),
}


def measure(only, threads):
    """Returns what `kerasopt bench-kernels` writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernels.json")
        command = [sys.executable, "-m", "kerasopt.cli", "bench-kernels", "--json", path]
        subprocess.run([*command, "--threads", str(threads), "--only", *only], check=True)
        return json.loads(path.read_text())


def rows(report):
    """Returns a row for each work and peer, as work:threads:peer."""
    threads = report["threads"]
    return {
        f"{work['work']}:{threads}:{peer}": {
            "work": work["work"],
            "threads": threads,
            "milliseconds": 1e3 * work["medians"][OURS],
            "peer": peer,
            "peer_milliseconds": 1e3 * work["medians"][peer],
            "times_as_fast": ratio,
        }
        for work in report["works"]
        for peer, ratio in work["ratios"].items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=["*"], help="names of works, or globs")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    results.add_output(parser, "kernels")
    arguments = parser.parse_args()
    made = results.read(arguments.output)
    for threads in arguments.threads:
        made |= rows(measure(arguments.only, threads))
    results.write(arguments.output, COLUMNS, made)


if __name__ == "__main__":
    main()
