"""Takes small models of keras-hub through pruning, quantization, conversion and export.

A row says "yes" only if

- a step of training with `Pruning` and `QuantizationAware` runs, with finite weights after it;
- outputs of the quantized model are close to those of the float one (cosine similarity of each
  output at least 0.99), those of the converted to those of the quantized one, and those of the
  exported files to those of the converted one (0.999);
- the `.keras` file of the converted model loads, and predicts the same bits.

Weights and inputs are random. Figures of Keras' own `model.quantize("int8")` stand beside. Speeds
are those of one call on a batch of 4, compiled to a TensorFlow graph, over the float model's.

    python examples/benchmarks/hub_coverage.py
    python examples/benchmarks/hub_coverage.py --only BERT T5 --output two.json
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import dataclass, field
from typing import Any

import hub_configs
import hub_models
import keras
import numpy as np
import results
import tensorflow as tf
from applications_lowering import reasons

import kerasopt as ko

COLUMNS = {
    "model": ("Model", ""),
    "parameters": ("Parameters", ",d"),
    "pruned": ("Pruned", ".1%"),
    "int8": ("int8", ".4f"),
    "converted": ("Converted", ".4f"),
    "integers": ("MACs in integers", ".1%"),
    "dynamic": ("int8, dynamic", ".4f"),
    "dynamic_integers": ("MACs in integers", ".1%"),
    "litert": ("LiteRT", ".4f"),
    "onnx": ("ONNX", ".4f"),
    "seconds": ("Quantize, convert (s)", ".1f"),
    "speed": ("Speed", ".2f"),
    "keras": ("Keras int8", ".4f"),
    "keras_integers": ("MACs in integers", ".1%"),
    "keras_speed": ("Speed", ".2f"),
    "float": ("Float", ""),
    "result": ("Result", ""),
}
CLOSE, SAME = 0.99, 0.999


@dataclass
class Case:
    """A model on its way through the steps.

    Attributes:
        name: Its name.
        model: The float model.
        x: A batch of inputs.
        y: The outputs of the float model.
        folder: For files.
        made: Dict of the models that steps have made for later ones.
    """

    name: str
    model: keras.Model
    x: Any
    y: Any
    folder: pathlib.Path
    made: dict[str, keras.Model] = field(default_factory=dict)


def train(case: Case, row: dict):
    """Two steps, eager: to trace them would take longer."""
    model = hub_models.built(case.name)
    # Not the `compile` of a task, which has metrics of labels.
    optimizer = keras.optimizers.SGD(1e-4)
    keras.Model.compile(model, optimizer, loss="mse", metrics=[], run_eagerly=True)
    # What does not depend on the input (codes of positions) has a batch of 1.
    shape = (hub_models.EXAMPLES,)
    zeros = keras.tree.map_structure(lambda y: np.zeros(shape + y.shape[1:], y.dtype), case.y)
    compression = [
        ko.callbacks.Pruning(0.5),
        ko.callbacks.QuantizationAware("int8", rules=rules(case)),
    ]
    size = hub_models.EXAMPLES
    model.fit(case.x, zeros, batch_size=size, epochs=2, verbose=0, callbacks=compression)
    row["pruned"] = share_of_zeros(model)
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        raise AssertionError("weights are not finite")


def quantize(case: Case, row: dict):
    began = time.perf_counter()
    how = {"calibration": case.x, "rules": rules(case), "verbose": 0}
    quantized = ko.quantize(case.model, "int8", **how)
    row["seconds"] = time.perf_counter() - began
    case.made["int8"] = quantized
    row["int8"] = require(cosine(case.y, outputs(quantized, case.x)), CLOSE)


def convert(case: Case, row: dict):
    quantized = case.made["int8"]
    began = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        converted = ko.convert(quantized)
    row["seconds"] = time.perf_counter() - began
    row["float"] = reasons(caught)
    case.made["converted"] = converted
    row["integers"] = integers(converted, case.x)
    found = cosine(outputs(quantized, case.x), outputs(converted, case.x))
    row["converted"] = require(found, SAME)


def reload(case: Case, row: dict):
    converted, path = case.made["converted"], case.folder / "int8.keras"
    ko.save(converted, path)
    loaded = outputs(keras.models.load_model(path), case.x)
    keras.tree.map_structure(np.testing.assert_array_equal, loaded, outputs(converted, case.x))


def dynamic(case: Case, row: dict):
    how = {"rules": rules(case, "int8_weight_only"), "verbose": 0}
    converted = ko.convert(ko.quantize(case.model, "int8_dynamic", **how), "int8_dynamic")
    row["dynamic_integers"] = integers(converted, case.x)
    row["dynamic"] = require(cosine(case.y, outputs(converted, case.x)), CLOSE)


def litert(case: Case, row: dict):
    row["litert"] = require(exported(case, "model.tflite", "litert"), SAME)


def onnx(case: Case, row: dict):
    row["onnx"] = require(exported(case, "model.onnx", "onnx"), SAME)


def keras_int8(case: Case, row: dict):
    """What Keras does is no concern of the result."""
    model = hub_models.built(case.name)
    try:
        model.quantize("int8")
        row["keras"] = cosine(case.y, outputs(model, case.x))
    except Exception as error:
        return row.update(keras=f"{type(error).__name__}")
    row["keras_integers"] = integers(model, case.x)
    case.made["keras"] = model


def speed(case: Case, row: dict):
    names = {"keras": "keras_speed", "converted": "speed"}
    models = {"float": case.model, **{x: case.made[x] for x in names if x in case.made}}
    times = times_of(models, case.x)
    row |= {names[name]: times["float"] / times[name] for name in models if name in names}


STEPS = {
    step.__name__: step
    for step in (train, quantize, convert, reload, dynamic, keras_int8, speed, litert, onnx)
}


def rules(case: Case, spec: str = "int8") -> list:
    return [(keras.layers.ReversibleEmbedding, spec)] if case.name in hub_configs.TABLES else []


def outputs(model: keras.Model, x: Any) -> Any:
    return keras.tree.map_structure(keras.ops.convert_to_numpy, model(x, training=False))


def cosine(expected: Any, given: Any) -> float:
    """Returns the smallest cosine similarity of an output."""
    found = []
    for pair in zip(keras.tree.flatten(expected), keras.tree.flatten(given), strict=True):
        first, second = (np.asarray(each, "float64").ravel() for each in pair)
        if not np.isfinite(second).all():
            raise AssertionError("outputs are not finite")
        norms = np.linalg.norm(first) * np.linalg.norm(second)
        found.append(first @ second / norms if norms else float((first == second).all()))
    return float(min(found))


def require(found: float, least: float) -> float:
    if found < least:
        raise Far(found)
    return found


class Far(AssertionError):
    """Raised with a cosine similarity that is too small; it is in the row nevertheless."""


def integers(model: keras.Model, x: Any) -> float:
    return ko.summary(model, print_fn=lambda text: None, data=x).integer_share


def share_of_zeros(model: keras.Model) -> float:
    """Returns the share of zeros in all matrices but tables, whatever kerasopt takes for one."""
    tables = (keras.layers.Embedding,)
    zeros = size = 0
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, tables) or "PositionEmbedding" in type(layer).__name__:
            continue
        for variable in layer._trainable_variables:
            name = variable.path.rsplit("/", 1)[-1]
            if len(variable.shape) > 1 and name != "embeddings" and "bias" not in name:
                values = keras.ops.convert_to_numpy(getattr(layer, name, variable))
                zeros, size = zeros + np.sum(values == 0), size + values.size
    return float(zeros / size)


def exported(case: Case, file: str, format: str) -> float:
    """Returns the smallest cosine similarity of an output of the file."""
    model, path = case.made["converted"], case.folder / file
    ko.export(model, path, format=format)
    report = ko.compare(model, path, case.x)
    return min(row.cosine for row in report.tensors[-len(model.outputs) :])


def times_of(models: dict[str, keras.Model], x: Any, rounds: int = 15) -> dict[str, float]:
    """Returns the seconds of a call, the median of calls in turns."""
    calls = {
        name: tf.function(lambda x, model=model: model(x, training=False))
        for name, model in models.items()
    }
    tensors = keras.tree.map_structure(tf.constant, x)
    times: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            call(tensors)
            if turn:
                times[name].append(time.perf_counter() - began)
    return {name: float(np.median(found)) for name, found in times.items()}


def run(name: str, folder: pathlib.Path):
    """Takes a model through all steps in this process; prints what each found, as JSON."""
    model = hub_models.built(name)
    x = hub_models.inputs_of(name, model)
    case = Case(name, model, x, outputs(model, x), folder)
    print(json.dumps({"parameters": model.count_params()}), flush=True)
    for step in STEPS.values():
        row: dict = {}
        try:
            step(case, row)
        except Exception as error:
            traceback.print_exc()
            row["failed"] = why(error)
        print(json.dumps(row), flush=True)


def why(error: Exception) -> str:
    if isinstance(error, Far):
        return f"cosine similarity {error.args[0]:.4f}"
    if isinstance(error, KeyError):
        return f"has no model {error}"
    text = re.sub(r"\x1b\[\d*m|'?/[\w./-]*/", "", str(error))  # colors, and folders
    said = " ".join(text.partition("Received:")[0].split()).replace("|", "\\|")
    return said[:160] or type(error).__name__


def cover(name: str, timeout: float) -> dict:
    """The row of a model, from a process of its own."""
    row, failed = {"model": name}, {}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, sys.argv[0], "--folder", folder, "--only", name]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            text, _ = process.communicate(timeout=timeout)
            end = f"ended with code {process.returncode}"
        except subprocess.TimeoutExpired:
            process.kill()
            text, _ = process.communicate()
            end = f"more than {timeout:.0f} s"
    found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    for step, part in zip(("build", *STEPS), found, strict=False):
        reason = part.pop("failed", None)
        row |= {
            key: row.get(key, 0) + value if key == "seconds" else value
            for key, value in part.items()
        }
        if reason:
            failed[step] = reason
    if len(found) <= len(STEPS):
        failed[("build", *STEPS)[len(found)]] = end
    return row | {"result": "; ".join(f"{x}: {reason}" for x, reason in failed.items()) or "yes"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", default=list(hub_configs.MODELS))
    parser.add_argument("--again", action="store_true", help="also what has passed")
    parser.add_argument("--timeout", type=float, default=1200, help="seconds for each model")
    parser.add_argument("--folder", type=pathlib.Path, help=argparse.SUPPRESS)
    results.add_output(parser, "keras_hub")
    arguments = parser.parse_args()
    if arguments.folder:
        return run(arguments.only[0], arguments.folder)
    rows = results.read(arguments.output)
    for name in arguments.only:
        if rows.get(name, {}).get("result") == "yes" and not arguments.again:
            continue
        rows[name] = cover(name, arguments.timeout)
        print(f"{name}: {rows[name]['result']}", flush=True)
        known = {each: rows[each] for each in hub_configs.MODELS if each in rows}
        results.save(arguments.output, COLUMNS, known)


if __name__ == "__main__":
    main()
