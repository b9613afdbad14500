"""Accuracy of quantized networks on Fashion-MNIST, with and without training.

From the float weights that `tfmot_pruning.py --runs float:0` has trained, each run trains for two
epochs with `QuantizationAware`, or calls `ko.quantize`; `float` trains for as long without either.
A line of JSON per result goes to `quantization.jsonl` in the folder, and what is there already is
not repeated. The table compares each run with the float weights of its seed.

    python examples/benchmarks/tfmot_pruning.py --folder runs --runs float:0
    python examples/benchmarks/quantization_accuracy.py --folder runs --runs float int8 int4+lsq
    python examples/benchmarks/quantization_accuracy.py --folder runs --runs post:int8 --table
"""

import argparse
import os
from pathlib import Path

import fashion_mnist_task as task
import keras
import numpy as np
import records
import results

import kerasopt as ko

RATE, EPOCHS, CALIBRATION = 5e-4, 2, 200
# What is run, and what the table calls it.
RUNS = {
    "float": "float, two epochs more",
    "int8": '`"int8"`',
    "int8+lsq": '`"int8"`, `"lsq"` for weights and activations, begin 20 %',
    "int8_dynamic": '`"int8_dynamic"`',
    "int8_weight_only": '`"int8_weight_only"`',
    "int16x8": '`"int16x8"`',
    "int4_weight_only": '`"int4_weight_only"`',
    "int4_weight_only+lsq": '`"int4_weight_only"`, `"lsq"`',
    "int4_weight_only+progressive": '`"int4_weight_only"`, 8 bits until 30 %, 6 until 50 %',
    "int4": '`"int4"` (8-bit activations)',
    "int4+lsq": '`"int4"`, `"lsq"`, begin 20 %',
    "w4a4": "4-bit weights and activations",
    "w4a4+lsq": 'the same, `"lsq"`, begin 20 %',
    "w4a4+pact": 'the same, weights `"lsq"`, activations `"pact"`, begin 20 %',
    "w4a4+dorefa": 'the same, `"dorefa"`, begin 20 %',
    "ternary_weight_only": '`"ternary_weight_only"`',
    "ternary": '`"ternary"`',
    "binary_weight_only": '`"binary_weight_only"`',
    "binary_int8": '`"binary_int8"`',
    "binary": '`"binary"`',
    "post:int8": "`ko.quantize`, int8",
    "post:int4_weight_only": "`ko.quantize`, int4, weights only, to the nearest",
    "post:int4_weight_only+adaround+bias": "the same, AdaRound and bias correction",
    "pruned": "pruned to 80 %",
    "pruned>post:int8": "then `ko.quantize`",
    "pruned>float>post:int8": "then two epochs of float, then `ko.quantize`",
    "pruned>int8": 'then two epochs of `QuantizationAware("int8")`',
}
COLUMNS = {
    "run": ("Run", ""),
    "seeds": ("Seeds", "d"),
    "accuracy": ("Accuracy (%)", ".2f"),
    "less_float": ("Less float weights", ".2f"),
    "less_trained": ("Less float, two epochs more", ".2f"),
}
HELP = "stages with > between them: pruned, float, [post:]spec[+option]"
ACTIVATIONS = ("activation_quantizer", "begin")
WARM_UP = {"begin": "20%"}
FORMAT = ko.quantization.Format
SPECS = {"w4a4": ko.quantization.Spec(FORMAT(4, symmetric=True), FORMAT(4))}
# Arguments of `QuantizationAware` for what may follow a spec.
QUANTIZERS = {
    "lsq": {"weight_quantizer": "lsq", "activation_quantizer": "lsq", **WARM_UP},
    "pact": {"weight_quantizer": "lsq", "activation_quantizer": "pact", **WARM_UP},
    "dorefa": {"weight_quantizer": "dorefa", "activation_quantizer": "dorefa", **WARM_UP},
    "progressive": {"progressive": [(8, "30%"), (6, "50%")]},
    "approximate": {"weight_quantizer": ko.quantization.BinaryWeight(gradient="approximate")},
}
CORRECTIONS = {"adaround": {"rounding": "adaround"}, "bias": {"bias_correction": True}}


def trained(model, data, how):
    """Returns the accuracy after training with a spec and quantizers."""
    spec, *quantizers = how.split("+")
    options = {}
    for name in quantizers:
        options |= QUANTIZERS[name]
    spec = ko.quantization.specs.get(SPECS.get(spec, spec))
    if spec.activations is None:  # nothing has to be watched before
        options = {name: options[name] for name in options if name not in ACTIVATIONS}
    callback = ko.callbacks.QuantizationAware(spec, **options)
    return task.train(keras, model, data, EPOCHS, RATE, [callback])["accuracy"]


def post_training(model, data, how):
    """Returns the accuracy without training."""
    (x, _), _ = data
    spec, *corrections = how.split("+")
    options = {}
    for name in corrections:
        options |= CORRECTIONS[name]
    chosen = np.random.default_rng(0).choice(len(x), CALIBRATION, replace=False)
    quantized = ko.quantize(model, spec, x[chosen], verbose=0, **options)
    return evaluated(quantized, data)


def evaluated(model, data):
    """Returns the accuracy on the test images."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=loss, metrics=["accuracy"])
    return round(100 * model.evaluate(*data[1], batch_size=500, verbose=0)[1], 2)


def run(folder, data, method, seed):
    """Returns the accuracy of one run, after the last of its stages."""
    keras.utils.set_random_seed(seed)
    model = task.network(keras)
    task.load_weights(model, task.weights_file(folder, seed))
    for stage in method.split(">"):
        if stage == "pruned":
            accuracy = pruned(model, data, folder / f"pruned-{seed}.npz")
        elif stage == "float":
            accuracy = task.train(keras, model, data, EPOCHS, RATE)["accuracy"]
        elif stage.startswith("post:"):
            accuracy = post_training(model, data, stage.removeprefix("post:"))
        else:
            accuracy = trained(model, data, stage)
    return accuracy


def pruned(model, data, file):
    """Prunes a model to 80 %, as tfmot's runs do, unless the file has it; returns its accuracy."""
    if file.exists():
        ko.sparsity.attach_masks(model, rules=[(keras.layers.DepthwiseConv2D, False)])
        task.load_weights(model, file)
        return evaluated(model, data)
    epochs, rate = task.FINE_TUNING
    end = task.schedule_end(epochs, len(data[0][0]))
    schedule = ko.schedules.PolynomialDecay(0.0, 0.8, 0, end, frequency=task.FREQUENCY)
    callback = ko.callbacks.Pruning(schedule, rules=[(keras.layers.DepthwiseConv2D, None)])
    accuracy = task.train(keras, model, data, epochs, rate, [callback])["accuracy"]
    task.save_weights(model, file)
    return accuracy


def rows(folder):
    """Returns the results, tfmot's behind, each beside the float weights of its seed."""
    floats = {r["seed"]: r for r in records.read(folder / "tfmot.jsonl") if r["method"] == "float"}
    groups = {"float weights": floats}
    for record in records.read(folder / "quantization.jsonl"):
        groups.setdefault(record["method"], {})[record["seed"]] = record
    for record in records.read(folder / "tfmot_quantization.jsonl"):
        groups.setdefault(f"tfmot/{record['method']}", {})[record["seed"]] = record
    return {
        method: {
            "run": RUNS.get(method, method.replace("tfmot/", "tfmot, ")),
            "seeds": len(group),
            "accuracy": records.spread([record["accuracy"] for record in group.values()]),
            "less_float": records.paired(group, floats),
            "less_trained": records.paired(group, groups.get("float", {})),
        }
        for method, group in groups.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="of the weights and results")
    parser.add_argument(
        "--runs",
        nargs="*",
        default=list(RUNS),
        help=HELP,
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--table", action="store_true", help="write all results of the folder")
    results.add_output(parser, "quantization_accuracy")
    arguments = parser.parse_args()
    data, log = task.load(), arguments.folder / "quantization.jsonl"
    for method in arguments.runs:
        for seed in arguments.seeds:
            key = {"method": method, "seed": seed}
            if not records.recorded(log, key):
                records.append(log, {**key, "accuracy": run(arguments.folder, data, **key)})
    if arguments.table:
        results.write(arguments.output, COLUMNS, rows(arguments.folder))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
