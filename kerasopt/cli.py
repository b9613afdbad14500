"""The command line, `kerasopt` or `python -m kerasopt.cli`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """Runs a command.

    Args:
        argv: The arguments; those of the process if it is `None`.
    """
    parser = argparse.ArgumentParser(prog="kerasopt", description="Small and fast Keras models.")
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_bench_kernels(commands)
    args = parser.parse_args(argv)
    args.run(args)


def _add_bench_kernels(commands: argparse._SubParsersAction) -> None:
    description = "Times the native kernels on this machine, and other runtimes beside them."
    command = commands.add_parser("bench-kernels", help=description, description=description)
    command.add_argument(
        "--only", nargs="+", default=["*"], metavar="PATTERN", help="names of cases, or globs"
    )
    command.add_argument(
        "--threads", type=_positive, default=1, help="number of threads (default: 1)"
    )
    command.add_argument(
        "--rounds", type=_positive, default=15, help="number of rounds (default: 15)"
    )
    command.add_argument("--json", metavar="FILE", help="also write the results to a JSON file")
    command.set_defaults(run=_bench_kernels)


def _bench_kernels(args: argparse.Namespace) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from kerasopt.benchmarking import kernels

    try:
        cases = kernels.select(args.only)
        kernels.start(args.threads)
    except (RuntimeError, ValueError) as error:
        sys.exit(f"kerasopt bench-kernels: {error}")
    try:
        kernels.bench(cases, args.threads, args.rounds, args.json)
    except OSError as error:
        sys.exit(f"kerasopt bench-kernels: {error}")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be positive. Received: {text}")
    return value


if __name__ == "__main__":
    main()
