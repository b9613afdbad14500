"""Converts every network of `keras.applications` to integers and exports it.

A row says "yes" only if

- `ko.convert` makes integer layers of it, which compute the same bits as the `keras.ops` reference;
- the `.keras` file of the integer network loads in another process, and predicts the same bits;
- LiteRT, with XNNPACK, runs the exported file, and each of its tensors, computed from its own
  inputs, equals that of the integer layer in 99.9 % of all values, and is never off by more than 1;
- onnxruntime runs the exported file.

    python examples/benchmarks/applications_lowering.py
    python examples/benchmarks/applications_lowering.py --only MobileNet VGG16 --output two.json
"""

import collections
import pathlib
import time
import warnings

import applications_task as task
import keras
import numpy as np

INTEGERS, IMAGES, PREDICTIONS = "int8.keras", "images.npy", "predictions.npy"
COLUMNS = {
    "input": ("Input", "d"),
    "layers": ("Integer layers", "d"),
    "float": ("Float", ""),
    "litert": ("LiteRT", ".4%"),
    "litert_steps": ("Steps", "d"),
    "onnx": ("ONNX", ".4%"),
    "onnx_steps": ("Steps", "d"),
}


def convert(name: str, folder: pathlib.Path, row: dict):
    """Converts a network, and runs it natively and by the reference."""
    import kerasopt as ko
    from kerasopt.ops import native

    keras.utils.set_random_seed(0)
    model = task.build_smallest(name)
    shape = (task.BATCH, *model.input_shape[1:])
    x = np.random.default_rng(0).uniform(0, 255, shape).astype("float32")
    model(x, training=True)  # batch normalization takes its statistics
    quantized = ko.quantize(model, "int8", x, verbose=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        began = time.perf_counter()
        integers = ko.convert(quantized, "int8")
    kinds = [type(layer).__name__ for layer in integers.layers]
    row |= {
        "input": model.input_shape[1],
        "seconds": time.perf_counter() - began,
        "layers": sum(kind.startswith("Quantized") for kind in kinds),
        "float": reasons(caught),
    }
    predictions = task.predict(integers, x)
    with native.left_out():
        task.require_equal(task.predict(integers, x), predictions)
    integers.save(folder / INTEGERS)
    np.save(folder / IMAGES, x)
    np.save(folder / PREDICTIONS, predictions)


def reload(name: str, folder: pathlib.Path, row: dict):
    """Loads the file."""
    predictions = task.predict(load(folder), np.load(folder / IMAGES))
    task.require_equal(predictions, np.load(folder / PREDICTIONS))


def litert(name: str, folder: pathlib.Path, row: dict):
    """Exports to LiteRT."""
    run_exported(folder, "model.tflite", "litert", row)
    if row["litert"] < 0.999 or row["litert_steps"] > 1:
        raise AssertionError(f"{row['litert']:.4%} of values are equal in LiteRT")


def onnx(name: str, folder: pathlib.Path, row: dict):
    """Exports to ONNX."""
    run_exported(folder, "model.onnx", "onnx", row)


def run_exported(folder: pathlib.Path, file: str, format: str, row: dict):
    import kerasopt as ko

    model, x = load(folder), np.load(folder / IMAGES)
    began = time.perf_counter()
    ko.export(model, folder / file, format=format)
    row[f"{format}_seconds"] = time.perf_counter() - began
    report = ko.compare(model, folder / file, x[:2], isolated=True)
    integers = [tensor for tensor in report.tensors if tensor.steps is not None]
    sizes = sum(tensor.size for tensor in integers)
    row[format] = sum(tensor.equal * tensor.size for tensor in integers) / sizes
    row[f"{format}_steps"] = max(tensor.steps for tensor in integers)


def load(folder: pathlib.Path) -> keras.Model:
    import kerasopt  # noqa: F401  # its layers are in the file

    return keras.models.load_model(folder / INTEGERS)


def reasons(caught: list) -> str:
    """Counts what stays float, by the reason that the warning of `ko.convert` has."""
    counts: collections.Counter = collections.Counter()
    for warning in caught:
        lines = str(warning.message).splitlines()
        if "stay in float32" not in lines[0]:
            continue
        for line in lines[1:]:
            reason, _, names = line.strip().partition(": ")
            more = names.rpartition(" and ")[2].removesuffix(" more")
            counts[reason] += names.count(",") + 1 + (int(more) if more.isdigit() else 0)
    return "; ".join(f"{count} × {reason}" for reason, count in counts.most_common())


if __name__ == "__main__":
    task.main(__doc__, [convert, reload, litert, onnx], "applications_lowering", COLUMNS)
