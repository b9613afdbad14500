"""What the scripts share that take every network of `keras.applications` through a technique.

A script has stages, functions of (name of a network, folder, row) that fill the row of a table and
raise if something is wrong. Each runs in a process of its own; files in the folder go from one to
the next. A row says "yes" only if no stage has raised. A run that was interrupted goes on from the
file that it has written. Networks that failed are tried again.
"""

import argparse
import concurrent.futures
import inspect
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import traceback

import keras
import numpy as np
import results

SIZES = (32, 64, 75, 96, 128, 224, 331)
STEPS, BATCH, CLASSES = 3, 4, 10


def networks() -> list[str]:
    """The names of the functions in `keras.applications` that build a network."""
    return [name for name, _ in inspect.getmembers(keras.applications, inspect.isfunction)]


def build_smallest(name: str) -> keras.Model:
    """Builds a network at the smallest of `SIZES` that it accepts."""
    refusals = []
    for size in SIZES:
        try:
            model = getattr(keras.applications, name)(
                weights=None,
                input_shape=(size, size, 3),
                classes=CLASSES,
                classifier_activation=None,
            )
        except ValueError as refusal:
            refusals.append(refusal)
            continue
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.0  # three steps do not bring averages to where they have to be
        return model
    raise refusals[-1]


def fit(model: keras.Model, callback, row: dict) -> np.ndarray:
    """Trains with a callback; returns the images that batch normalization's statistics are of."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(STEPS * BATCH, *model.input_shape[1:])).astype("float32")
    y = rng.integers(0, CLASSES, len(x))
    model.compile(
        # Of a few random images the gradients explode.
        keras.optimizers.SGD(1e-3, momentum=0.9, global_clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        # To trace or compile the step of each network would take hours.
        run_eagerly=keras.config.backend() == "tensorflow",
    )
    row |= {"input": model.input_shape[1], "parameters": model.count_params()}
    began = time.perf_counter()
    model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[callback])
    row["fit_seconds"] = time.perf_counter() - began
    return x[-BATCH:]


def predict(model: keras.Model, x: np.ndarray) -> np.ndarray:
    # Not `model.predict`: to trace each of the models would take longer than all the rest.
    predictions = keras.ops.convert_to_numpy(model(x, training=False))
    if not np.isfinite(predictions).all():
        raise AssertionError("predictions are not finite")
    return predictions


def require_equal(predictions: np.ndarray, expected: np.ndarray):
    if not np.array_equal(predictions, expected):
        difference = np.abs(predictions - expected).max()
        raise AssertionError(f"predictions differ by up to {difference:.3g}")


def run_stage(stage, name: str, folder: pathlib.Path):
    """Runs a stage in this process and prints what it found, as JSON."""
    row = {"result": "yes"}
    try:
        stage(name, folder, row)
    except Exception as error:
        traceback.print_exc()
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        row["result"] = f"{stage.__name__}: {reason}".replace("|", "\\|")
    print(json.dumps(row))


def cover(name: str, stages, timeout: float) -> dict:
    """The row of a network, each stage in a process of its own."""
    row = {"network": name}
    with tempfile.TemporaryDirectory() as folder:
        for stage in stages:
            command = [sys.executable, sys.argv[0], "--stage", stage, folder, "--only", name]
            try:
                process = subprocess.run(
                    command, stdout=subprocess.PIPE, text=True, timeout=timeout
                )
            except subprocess.TimeoutExpired:
                return row | {"result": f"{stage}: more than {timeout:.0f} s"}
            if process.returncode:
                return row | {"result": f"{stage}: ended with code {process.returncode}"}
            row |= json.loads(process.stdout.splitlines()[-1])
            if row["result"] != "yes":
                break
    return row


def main(description: str, stages, name: str, columns: dict):
    """The program of a script.

    Args:
        description: Its docstring.
        stages: List of functions.
        name: That of the file in `docs/results`.
        columns: Dict of keys of a row to titles and formats; that of the result is added.
    """
    stages = {stage.__name__: stage for stage in stages}
    columns = {"network": ("Network", ""), **columns, "result": ("Result", "")}
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", default=networks())
    parser.add_argument("--jobs", type=int, default=1, help="networks at the same time")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for each process")
    parser.add_argument("--stage", nargs=2, help=argparse.SUPPRESS)
    results.add_output(parser, name)
    arguments = parser.parse_args()
    if arguments.stage:
        stage, folder = arguments.stage
        return run_stage(stages[stage], arguments.only[0], pathlib.Path(folder))

    rows = results.read(arguments.output)
    missing = [name for name in arguments.only if rows.get(name, {}).get("result") != "yes"]
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for row in pool.map(lambda name: cover(name, stages, arguments.timeout), missing):
            rows[row["network"]] = row
            print(f"{row['network']}: {row['result']}", flush=True)
            results.save(arguments.output, columns, {name: rows[name] for name in sorted(rows)})
