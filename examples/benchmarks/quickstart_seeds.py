"""Runs the quickstart with several seeds: means, deviations, paired differences to the baseline.

Every seed runs in a process of its own. Differences and ratios are between models of the same seed,
which had the same initial weights.

    python examples/benchmarks/quickstart_seeds.py --seeds 0 1 2
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

import results

QUICKSTART = Path(__file__).parents[1] / "quickstart.py"
BASELINE = "baseline"
# A figure of the report, its title, and by what it is multiplied.
QUALITY = {
    "accuracy": ("Accuracy (%)", 100),
    "precision": ("Precision, macro (%)", 100),
    "recall": ("Recall, macro (%)", 100),
    "f1": ("F1, macro (%)", 100),
    "sparsity": ("Zeros in kernels (%)", 100),
}
COST = {
    "file_bytes": ("File (kB)", 1e-3),
    "gzip_bytes": ("File, gzipped (kB)", 1e-3),
    "memory_bytes": ("Memory, batch 1 (kB)", 1e-3),
    "latency_1": ("Latency, batch 1 (ms)", 1e3),
    "latency_256": ("Latency, batch 256 (ms)", 1e3),
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--full", action="store_true", help="train on all 60,000 images")
    parser.add_argument("--folder", type=Path, default=Path("quickstart_output"))
    results.add_output(parser, "quickstart_seeds")
    return parser.parse_args()


def run_quickstart(seed: int, full: bool, folder: Path) -> dict[str, dict[str, float]]:
    """Returns the figures of every model."""
    command = [sys.executable, QUICKSTART, "--seed", str(seed), "--output", folder]
    subprocess.run([*command, *(["--full"] if full else [])], check=True)
    report = json.loads((folder / "report.json").read_text())
    for figures in report["models"].values():
        for batch_size, seconds in figures.pop("latency").items():
            figures[f"latency_{batch_size}"] = seconds
    return report["models"]


def spread(values: list[float]) -> list[float]:
    """Returns mean and standard deviation."""
    return [statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0]


def table(runs: list[dict]) -> tuple[dict, dict]:
    """Returns the columns, a few for each model, and a row for each figure."""
    models = {name: name.replace(" ", "_") for name in runs[0]}
    columns = {"figure": ("", "")} | {key: (name, ".2f") for name, key in models.items()}
    for name, key in models.items():
        if name != BASELINE:
            columns[f"{key}_less"] = (f"{name} − baseline", ".2f")
            columns[f"{key}_over"] = (f"{name} / baseline", ".2f")
    rows: dict[str, dict] = {}
    for figure, (title, factor) in {**QUALITY, **COST}.items():
        rows[figure] = row = {"figure": title}
        baselines = [factor * run[BASELINE][figure] for run in runs]
        for name, key in models.items():
            values = [factor * run[name][figure] for run in runs]
            row[key] = spread(values)
            pairs = list(zip(values, baselines, strict=True))
            if name != BASELINE and figure in QUALITY:
                row[f"{key}_less"] = spread([value - base for value, base in pairs])
            elif name != BASELINE:
                row[f"{key}_over"] = spread([value / base for value, base in pairs])
    return columns, rows


def main() -> None:
    arguments = parse_arguments()
    runs = [
        run_quickstart(seed, arguments.full, arguments.folder / f"seed_{seed}")
        for seed in arguments.seeds
    ]
    results.write(arguments.output, *table(runs))


if __name__ == "__main__":
    main()
