"""Prunes every network of `keras.applications`, saves, loads and finalizes it; writes a table.

Each network is built with random weights at the smallest size of `SIZES` that it accepts, and
trains for three steps with `Pruning`, in a process of its own. Another process, which does not
import kerasopt, loads the file of the finalized network. A row says "yes" only if

- half of every kernel is zero, to one weight, after training, after `finalize` and in that process;
- the `.keras` file that Keras writes of the pruned network loads;
- the layers of the finalized network are of the classes that they were of before;
- all of these networks predict the same, to the bit.

Rows go to a file of JSON lines beside the table, too: a run that was interrupted goes on from it.
Networks that failed are tried again.

    python examples/benchmarks/applications_coverage.py docs/applications.md
    python examples/benchmarks/applications_coverage.py /tmp/two.md --only MobileNet VGG16
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

SIZES = (32, 64, 75, 96, 128, 224, 331)
STEPS, BATCH, CLASSES = 3, 4, 10
# Where the processes of a network leave files for each other.
FINALIZED, IMAGES, PREDICTIONS = "finalized.keras", "images.npy", "predictions.npy"

PAGE = f"""# Coverage of `keras.applications`

Written by `python examples/benchmarks/applications_coverage.py docs/applications.md`: %d of %d
networks, Keras {keras.__version__}, {keras.config.backend()} backend. Each is built with random
weights and {CLASSES} classes at the smallest input that it accepts (of {SIZES}),
trains for {STEPS} eager steps of {BATCH} images, in which `Pruning` sets half of every kernel to
zero, is saved as `.keras` and loaded, and is finalized. Gradients are clipped, and batch
normalization has momentum 0, since three steps on random images would not bring its averages to
where they have to be; predictions are those of the last batch. "yes" means: the zeros are
exact to one weight; the loaded and the finalized network predict the same bits as the trained one;
the finalized network has Keras' own layers, and its file loads, with the same zeros and bits, where
kerasopt is not imported.

The time is that of `fit`, on two cores with other work on them. Files are those of `ko.save`:
before training, and finalized. Random values hardly compress, so that halving the kernels is what
there is to gain.

| network | input | parameters | kernels pruned | zeros in kernels (%%) | fit (s) \
| dense (kB) | pruned (kB) | result |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |
"""


def networks() -> list[str]:
    """The names of the functions in `keras.applications` that build a network."""
    return [name for name, _ in inspect.getmembers(keras.applications, inspect.isfunction)]


def build_smallest(name: str) -> keras.Model:
    """Builds a network at the smallest of `SIZES` that it accepts."""
    refusals = []
    for size in SIZES:
        try:
            return getattr(keras.applications, name)(
                weights=None,
                input_shape=(size, size, 3),
                classes=CLASSES,
                classifier_activation=None,
            )
        except ValueError as refusal:
            refusals.append(refusal)
    raise refusals[-1]


def prune(name: str, folder: pathlib.Path, row: dict):
    """Takes a network through all that the table speaks of, and fills its row."""
    import kerasopt as ko

    keras.utils.set_random_seed(0)
    model = build_smallest(name)
    row |= {"input": model.input_shape[1], "parameters": model.count_params()}
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0  # three steps do not bring averages to where they have to be
    classes = [type(layer) for layer in model._flatten_layers()]
    row["dense_kB"] = kilobytes(ko, model, folder / "dense.keras")

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
    pruning = ko.callbacks.Pruning(ko.schedules.OneShot(0.5, begin=1))
    began = time.perf_counter()
    model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[pruning])
    row["fit_seconds"] = time.perf_counter() - began
    row["kernels"], row["zeros"] = halved_kernels(model)

    x = x[-BATCH:]  # the images that the statistics of batch normalization belong to
    predictions = predict(model, x)
    model.save(folder / "pruned.keras")
    require_equal(predict(keras.models.load_model(folder / "pruned.keras"), x), predictions)
    ko.finalize(model, verbose=False)
    if [type(layer) for layer in model._flatten_layers()] != classes:
        raise AssertionError("finalized layers are not of the classes that they were of")
    halved_kernels(model)
    require_equal(predict(model, x), predictions)
    row["pruned_kB"] = kilobytes(ko, model, folder / FINALIZED)
    np.save(folder / IMAGES, x)
    np.save(folder / PREDICTIONS, predictions)


def reload(name: str, folder: pathlib.Path, row: dict):
    """Loads the file of a finalized network as somebody without kerasopt does."""
    model = keras.models.load_model(folder / FINALIZED)
    halved_kernels(model)
    require_equal(predict(model, np.load(folder / IMAGES)), np.load(folder / PREDICTIONS))
    if "kerasopt" in sys.modules:
        raise AssertionError("loading the finalized network imports kerasopt")


def halved_kernels(model: keras.Model) -> tuple[int, float]:
    """The number of kernels, and the fraction of zeros in them, as the layers read them.

    Which kernels there are is not kerasopt's to say.

    Raises:
        AssertionError: If not half of each kernel is zero, to one weight.
    """
    kernels = weights = zeros = 0
    for layer in model._flatten_layers(include_self=False):
        for name in ("kernel", "depthwise_kernel", "pointwise_kernel"):
            if getattr(layer, name, None) is None:
                continue
            values = keras.ops.convert_to_numpy(getattr(layer, name))
            found = values.size - np.count_nonzero(values)
            if abs(2 * found - values.size) > 1:
                raise AssertionError(f"{found} zeros of {values.size} in {layer.path}/{name}")
            kernels, weights, zeros = kernels + 1, weights + values.size, zeros + found
    return kernels, zeros / weights


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


def kilobytes(ko, model: keras.Model, path: pathlib.Path) -> float:
    """The size of the file that `ko.save` writes."""
    ko.save(model, path)
    return path.stat().st_size / 1000


STAGES = {"prune": prune, "reload": reload}


def run_stage(stage: str, name: str, folder: pathlib.Path):
    """Runs a stage in this process and prints what it found, as JSON."""
    row = {"result": "yes"}
    try:
        STAGES[stage](name, folder, row)
    except Exception as error:
        traceback.print_exc()
        row["result"] = f"{stage}: {type(error).__name__}: {error}"
    print(json.dumps(row))


def cover(name: str, timeout: float) -> dict:
    """The row of a network, each stage in a process of its own."""
    row = {"network": name}
    with tempfile.TemporaryDirectory() as folder:
        for stage in STAGES:
            command = [sys.executable, __file__, folder, "--stage", stage, "--only", name]
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


def write_page(path: pathlib.Path, rows: dict[str, dict]):
    """Writes the rows there are, in the order of `networks`."""
    passed = sum(row["result"] == "yes" for row in rows.values())
    lines = [table_line(rows[name]) for name in networks() if name in rows]
    path.write_text(PAGE % (passed, len(networks())) + "".join(lines))


def table_line(row: dict) -> str:
    formats = {
        "network": "",
        "input": "",
        "parameters": ",",
        "kernels": "",
        "zeros": ".2%",
        "fit_seconds": ".1f",
        "dense_kB": ",.0f",
        "pruned_kB": ",.0f",
    }
    cells = [format(row[key], style) if key in row else "" for key, style in formats.items()]
    result = " ".join(row["result"].split()).replace("|", "\\|")[:200]
    return f"| {' | '.join(cells)} | {result} |\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=pathlib.Path, help="the Markdown file to write")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=networks())
    parser.add_argument("--jobs", type=int, default=1, help="networks at the same time")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for each process")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        return run_stage(arguments.stage, arguments.only[0], arguments.page)

    log = arguments.page.with_suffix(".jsonl")
    lines = log.read_text().splitlines() if log.exists() else []
    rows = {row["network"]: row for row in map(json.loads, lines)}
    missing = [name for name in arguments.only if rows.get(name, {}).get("result") != "yes"]
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for row in pool.map(lambda name: cover(name, arguments.timeout), missing):
            with open(log, "a") as file:
                file.write(json.dumps(row) + "\n")
            rows[row["network"]] = row
            write_page(arguments.page, rows)
            print(table_line(row), end="", flush=True)
    write_page(arguments.page, rows)


if __name__ == "__main__":
    main()
