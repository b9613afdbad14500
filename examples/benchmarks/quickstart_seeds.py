"""Runs the quickstart with several seeds; prints means, deviations and paired differences.

Every seed runs in a process of its own. Differences are between models of the same seed, which
had the same initial weights.

    python examples/benchmarks/quickstart_seeds.py --seeds 0 1 2
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

QUICKSTART = Path(__file__).parents[1] / "quickstart.py"
BASELINE = "baseline"
# Figure of the report, its unit in the table, and how it is compared with the baseline's.
FIGURES = {
    "accuracy": ("%", 100, "difference"),
    "precision": ("%", 100, "difference"),
    "recall": ("%", 100, "difference"),
    "f1": ("%", 100, "difference"),
    "sparsity": ("%", 100, "difference"),
    "file_bytes": ("kB", 1e-3, "ratio"),
    "gzip_bytes": ("kB", 1e-3, "ratio"),
    "memory_bytes": ("kB", 1e-3, "ratio"),
    "latency 1": ("ms", 1e3, "ratio"),
    "latency 256": ("ms", 1e3, "ratio"),
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--full", action="store_true", help="train on all 60,000 images")
    parser.add_argument("--output", type=Path, default=Path("quickstart_output"))
    return parser.parse_args()


def run_quickstart(seed: int, full: bool, output: Path) -> dict[str, dict[str, float]]:
    """Returns the figures of every model."""
    command = [sys.executable, QUICKSTART, "--seed", str(seed), "--output", output]
    subprocess.run([*command, *(["--full"] if full else [])], check=True)
    report = json.loads((output / "report.json").read_text())
    for figures in report["models"].values():
        for batch_size, seconds in figures.pop("latency").items():
            figures[f"latency {batch_size}"] = seconds
    return report["models"]


def spread(values: list[float]) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.2f} ± {deviation:.2f}"


def compare(values: list[float], baselines: list[float], comparison: str) -> str:
    pairs = zip(values, baselines, strict=True)
    if comparison == "ratio":
        return f"× {spread([value / baseline for value, baseline in pairs])}"
    return spread([value - baseline for value, baseline in pairs])


def main() -> None:
    arguments = parse_arguments()
    runs = [
        run_quickstart(seed, arguments.full, arguments.output / f"seed_{seed}")
        for seed in arguments.seeds
    ]
    print(f"\nMean ± standard deviation over the seeds {arguments.seeds}\n")
    print("| Model | Figure | Value | Against the baseline, paired |")
    print("| --- | --- | ---: | ---: |")
    for model in runs[0]:
        for figure, (unit, factor, comparison) in FIGURES.items():
            values = [factor * run[model][figure] for run in runs]
            baselines = [factor * run[BASELINE][figure] for run in runs]
            against = "" if model == BASELINE else compare(values, baselines, comparison)
            print(f"| {model} | {figure} ({unit}) | {spread(values)} | {against} |")


if __name__ == "__main__":
    main()
