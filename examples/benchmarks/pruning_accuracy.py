"""Accuracy of pruned networks on Fashion-MNIST, beside tensorflow-model-optimization.

`tfmot_pruning.py` trains the float networks and prunes them with tfmot. From the same weights, in
the same number of epochs, with the same learning rate and times of the schedule, this script
prunes with kerasopt; whatever is pruned, depthwise kernels are not, and sparsity counts the others.
A line of JSON per result goes to `kerasopt.jsonl` in the folder, and what is there already is not
repeated. The table compares each run with the peer's of its seed and sparsity.

    python examples/benchmarks/tfmot_pruning.py --folder pruning_runs
    python examples/benchmarks/pruning_accuracy.py --folder pruning_runs --runs uniform:0.8 erk:0.8
    python examples/benchmarks/pruning_accuracy.py --folder pruning_runs --runs 2:4:0.5 --epochs 2
    python examples/benchmarks/pruning_accuracy.py --folder pruning_runs --table
"""

import argparse
import statistics
from pathlib import Path

import fashion_mnist_task as task
import keras
import records
import results

import kerasopt as ko

# A random network that is sparse from the first step on.
SPARSE = {"scope": "erk", "criterion": "random", "schedule": lambda sparsity: sparsity}
# Arguments of `Pruning` for each method. Where none is a schedule, sparsity rises as in the peer's
# runs. Scopes and patterns not named are those of the peer: uniform, single weights.
METHODS = {
    "uniform": {},
    "2:4": {"pattern": "2:4"},
    "2:4-at-once": {"pattern": "2:4", "schedule": lambda sparsity: sparsity},  # as the peer
    "global": {"scope": "global"},
    "erk": {"scope": "erk"},
    "lamp": {"scope": "lamp"},
    "random": {"criterion": "random"},
    "saliency": {"criterion": "saliency"},
    "saliency-global": {"criterion": "saliency", "scope": "global"},
    "movement": {"criterion": "movement"},
    "wanda": {"criterion": "wanda"},
    "block4x1": {"pattern": "block4x1"},
    "kernel": {"pattern": "kernel"},
    "filter": {"pattern": "filter"},
    "channel": {"pattern": "channel"},
    "straight_through": {"regrowth": ko.sparsity.StraightThrough("60%", task.FREQUENCY)},
    "one_shot": {"schedule": lambda sparsity: sparsity},
    "iterative": {"schedule": lambda sparsity: ko.schedules.Iterative(sparsity, 4, 0, "60%")},
    "static": SPARSE,
    "set": SPARSE | {"regrowth": ko.sparsity.SET(end="75%", frequency=2 * task.FREQUENCY)},
    "rigl": SPARSE | {"regrowth": ko.sparsity.RigL(end="75%", frequency=2 * task.FREQUENCY)},
    "lottery": {
        "scope": "erk",
        "schedule": lambda sparsity: ko.schedules.OneShot(sparsity, begin="50%"),
        "rewind": "init",
    },
    # What stands for the sparsity here is the budget, in accuracy on images held out.
    "metric_guided": {
        "schedule": lambda budget: ko.sparsity.MetricGuided("val_accuracy", budget, step=0.2),
        "scope": "lamp",
    },
}
HELD_OUT = 5_000
COLUMNS = {
    "zeros": ("Zeros (%)", ".2f"),
    "epochs": ("Epochs", "d"),
    "method": ("Method", ""),
    "seeds": ("Seeds", "d"),
    "accuracy": ("Accuracy (%)", ".2f"),
    "less_tfmot": ("Less tfmot", ".2f"),
    "less_uniform": ("Less uniform", ".2f"),
}
# These begin with random weights; `scratch` is their dense control.
FROM_SCRATCH = ("float", "scratch", "static", "set", "rigl", "lottery")


def callbacks(method, sparsity, end, seed):
    """Returns what prunes; nothing for the controls."""
    if method not in METHODS:
        return []
    options = dict(METHODS[method])
    if options.get("criterion") == "random":
        options["criterion"] = ko.sparsity.Random(seed)
    gradual = lambda sparsity: ko.schedules.PolynomialDecay(  # noqa: E731
        0.0, sparsity, 0, end, frequency=task.FREQUENCY
    )
    schedule = options.pop("schedule", gradual)(sparsity)
    # The stem has a single input channel.
    dense = [
        keras.layers.DepthwiseConv2D,
        *(["stem"] if method in ("2:4", "2:4-at-once", "channel") else []),
    ]
    rules = [(selector, None) for selector in dense]
    return [ko.callbacks.Pruning(schedule, rules=rules, **options)]


def run(folder, data, method, sparsity, seed, epochs):
    """Trains one model; returns its figures."""
    keras.utils.set_random_seed(seed)
    model, weights = task.network(keras), task.weights_file(folder, seed)
    _, rate = task.TRAINING if method in FROM_SCRATCH else task.FINE_TUNING
    if method not in FROM_SCRATCH:
        task.load_weights(model, weights)
    pruning = callbacks(method, sparsity, task.schedule_end(epochs, len(data[0][0])), seed)
    rounds = 2 if method == "lottery" else 1  # dense, and sparse from the same initial weights
    held_out = HELD_OUT if method == "metric_guided" else 0
    figures = task.train(keras, model, data, epochs, rate, pruning, rounds, held_out)
    if method == "float":
        task.save_weights(model, weights)
    layers = task.pruned_layers(model)
    shares = {layer.name: task.zeros([layer]) for layer in layers}
    return {**figures, "zeros": task.zeros(layers), "layers": shares}


def rows(folder):
    """Returns the results by sparsity, named as method:sparsity:epochs."""
    groups = {}
    for library in ("tfmot", "kerasopt"):
        for record in records.read(folder / f"{library}.jsonl"):
            run = (record["sparsity"], record["epochs"], library, record["method"])
            groups.setdefault(run, {})[record["seed"]] = record
    made = {}
    for run, group in sorted(groups.items(), key=lambda item: item[0][:2]):
        sparsity, epochs, library, method = run
        peer = library == "tfmot"
        row = {
            "zeros": 100 * statistics.mean(record["zeros"] for record in group.values()),
            "epochs": epochs,
            "method": f"tfmot, {method}" if peer else method,
            "seeds": len(group),
            "accuracy": records.spread([record["accuracy"] for record in group.values()]),
        }
        if not peer:
            row |= differences(groups, run)
        made[f"{'tfmot/' if peer else ''}{method}:{sparsity:g}:{epochs}"] = row
    return made


def differences(groups, run):
    """Returns by how much kerasopt's run is better than those that it is compared with."""
    sparsity, epochs, _, method = run
    peer = "2:4" if method.startswith("2:4") else "uniform"
    found = {}
    for name, control in (("tfmot", peer), ("kerasopt", "uniform")):
        key = (sparsity, epochs, name, control)
        if key in groups and key != run:
            less = "less_tfmot" if name == "tfmot" else "less_uniform"
            found[less] = records.paired(groups[run], groups[key])
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="of the weights and results")
    parser.add_argument("--runs", nargs="*", default=[], help="as method:sparsity")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=task.FINE_TUNING[0])
    parser.add_argument(
        "--held-out",
        type=int,
        default=0,
        help="choose settings: train without these images and test on them, in a folder of its own",
    )
    parser.add_argument("--table", action="store_true", help="write all results of the folder")
    results.add_output(parser, "pruning_accuracy")
    arguments = parser.parse_args()
    log = arguments.folder / "kerasopt.jsonl"
    data = task.load(arguments.held_out) if arguments.runs else None
    for name in arguments.runs:
        method, _, sparsity = name.rpartition(":")
        for seed in arguments.seeds:
            epochs = task.TRAINING[0] if method == "float" else arguments.epochs
            key = {"method": method, "sparsity": float(sparsity), "seed": seed, "epochs": epochs}
            if not records.recorded(log, key):
                figures = run(arguments.folder, data, **key)
                records.append(log, {**key, **figures})
    if arguments.table:
        results.write(arguments.output, COLUMNS, rows(arguments.folder))


if __name__ == "__main__":
    main()
