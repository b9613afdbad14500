"""Time of calibrating ResNet-50 on 128 images over that of their float inference.

Random weights and images of 224×224. Each round times `model.predict` of a new copy of the float
network and `ko.quantize` of it, which copies, places quantizers, rounds weights and calibrates;
both trace a function of their own. A figure is the median of the ratios of the rounds, with the
smallest and the largest.

    python examples/benchmarks/calibration_time.py --rounds 5
"""

import argparse
import os
import statistics
import time

import keras
import numpy as np
import results

import kerasopt as ko

IMAGES, BATCH = 128, 32
OBSERVERS = ("minmax", "percentile", "mse")
COLUMNS = {
    "what": ("", ""),
    "seconds": ("Seconds", ".1f"),
    "over_predict": ("Over `predict` (smallest and largest)", ".2f"),
}


def seconds(function) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    results.add_output(parser, "calibration_time")
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    model = keras.applications.ResNet50(weights=None)
    x = np.random.default_rng(0).normal(size=(IMAGES, 224, 224, 3)).astype("float32")
    times: dict[str, list[float]] = {name: [] for name in ("predict", *OBSERVERS)}
    for _ in range(arguments.rounds):
        copy = keras.models.clone_model(model)
        times["predict"].append(seconds(lambda: copy.predict(x, BATCH, verbose=0)))  # noqa: B023
        for name in OBSERVERS:
            options = {"observer": name, "batch_size": BATCH, "verbose": 0}
            times[name].append(seconds(lambda: ko.quantize(model, "int8", x, **options)))  # noqa: B023
    rows = {}
    for name, values in times.items():
        ratios = [value / base for value, base in zip(values, times["predict"], strict=True)]
        rows[name] = {
            "what": "`predict`" if name == "predict" else f'`ko.quantize`, `"{name}"`',
            "seconds": statistics.median(values),
            "over_predict": [statistics.median(ratios), min(ratios), max(ratios)],
        }
    results.write(arguments.output, COLUMNS, rows)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
