"""Accuracy of pruned networks on Fashion-MNIST, beside tensorflow-model-optimization.

`tfmot_pruning.py` trains the float networks and prunes them with tfmot. From the same weights, in
the same number of epochs, with the same learning rate and times of the schedule, this script
prunes with kerasopt; whatever is pruned, depthwise kernels are not, and sparsity counts the others.
A line of JSON per result goes to `kerasopt.jsonl` in the folder, and what is there already is not
repeated. The table compares each run with the peer's of its seed and sparsity.

    python examples/benchmarks/tfmot_pruning.py --folder pruning_runs
    python examples/benchmarks/pruning_accuracy.py --folder pruning_runs --runs uniform:0.8 erk:0.8
    python examples/benchmarks/pruning_accuracy.py --folder pruning_runs --table
"""

import argparse
import statistics
from pathlib import Path

import keras
import pruning_task as task

import kerasopt as ko

# Arguments of `Pruning` for each method. Where none is a schedule, sparsity rises as in the peer's
# runs. Scopes and patterns not named are those of the peer: uniform, single weights.
METHODS = {
    "uniform": {},
    "2:4": {"pattern": "2:4"},
    "global": {"scope": "global"},
    "erk": {"scope": "erk"},
    "lamp": {"scope": "lamp"},
    "random": {"criterion": "random"},
    "saliency": {"criterion": "saliency"},
    "movement": {"criterion": "movement"},
    "wanda": {"criterion": "wanda"},
    "block4x1": {"pattern": "block4x1"},
    "kernel": {"pattern": "kernel"},
    "filter": {"pattern": "filter"},
    "channel": {"pattern": "channel"},
    "straight_through": {"regrowth": ko.sparsity.StraightThrough("60%", task.FREQUENCY)},
    "one_shot": {"schedule": lambda sparsity: sparsity},
    "erk one_shot": {"scope": "erk", "schedule": lambda sparsity: sparsity},
    "iterative": {"schedule": lambda sparsity: ko.schedules.Iterative(sparsity, 4, 0, "60%")},
    "set": {
        "scope": "erk",
        "schedule": lambda sparsity: sparsity,
        "regrowth": ko.sparsity.SET(end="60%", frequency=2 * task.FREQUENCY),
    },
    "rigl": {
        "scope": "erk",
        "schedule": lambda sparsity: sparsity,
        "regrowth": ko.sparsity.RigL(end="60%", frequency=2 * task.FREQUENCY),
    },
}


def callbacks(method, sparsity, end):
    """Returns what prunes; nothing for the controls."""
    if method not in METHODS:
        return []
    options = dict(METHODS[method])
    gradual = lambda sparsity: ko.schedules.PolynomialDecay(  # noqa: E731
        0.0, sparsity, 0, end, frequency=task.FREQUENCY
    )
    schedule = options.pop("schedule", gradual)(sparsity)
    # The stem has one input channel.
    dense = [keras.layers.DepthwiseConv2D, *(["stem"] if method == "2:4" else [])]
    rules = [(selector, None) for selector in dense]
    return [ko.callbacks.Pruning(schedule, rules=rules, **options)]


def run(folder, data, method, sparsity, seed):
    """Trains one model; returns its figures."""
    keras.utils.set_random_seed(seed)
    model, weights = task.network(keras), task.weights_file(folder, seed)
    epochs, rate = task.TRAINING if method == "float" else task.FINE_TUNING
    if method == "2:4":
        epochs = task.EPOCHS_2_4
    if method != "float":
        task.load_weights(model, weights)
    end = task.schedule_end(epochs, len(data[0][0]))
    figures = task.train(keras, model, data, epochs, rate, callbacks(method, sparsity, end))
    if method == "float":
        task.save_weights(model, weights)
    layers = task.pruned_layers(model)
    shares = {layer.name: task.zeros([layer]) for layer in layers}
    return {**figures, "zeros": task.zeros(layers), "layers": shares}


def spread(values, error=False):
    """Mean and standard deviation, or the standard error of the mean."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.2f} ± {deviation / (len(values) ** 0.5 if error else 1):.2f}"


def table(folder):
    """Prints the results, those of the peer first."""
    results = {}
    for library in ("tfmot", "kerasopt"):
        for record in task.read(folder / f"{library}.jsonl"):
            group = results.setdefault((library, record["method"], record["sparsity"]), {})
            group[record["seed"]] = record
    print(
        "| Library | Method | Sparsity (%) | Seeds | Epochs | Accuracy (%) | Less tfmot, paired |"
    )
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for (library, method, sparsity), group in results.items():
        same = method in ("2:4", "dense", "float")
        peer = results.get(("tfmot", method if same else "uniform", sparsity), {})
        pairs = [
            (group[seed]["accuracy"], peer[seed]["accuracy"]) for seed in group if seed in peer
        ]
        less = spread([a - b for a, b in pairs], error=True) if pairs else ""
        accuracy = spread([record["accuracy"] for record in group.values()])
        zeros = 100 * statistics.mean(record["zeros"] for record in group.values())
        epochs = next(iter(group.values()))["epochs"]
        less = "" if library == "tfmot" else less
        cells = (library, method, f"{zeros:.2f}", len(group), epochs, accuracy, less)
        print(f"| {' | '.join(map(str, cells))} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="of the weights and results")
    parser.add_argument("--runs", nargs="*", default=[], help="as method:sparsity")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--held-out",
        type=int,
        default=0,
        help="choose settings: train without these images and test on them, in a folder of its own",
    )
    parser.add_argument("--table", action="store_true", help="print the results in Markdown")
    arguments = parser.parse_args()
    results = arguments.folder / "kerasopt.jsonl"
    data = task.load(arguments.held_out) if arguments.runs else None
    for name in arguments.runs:
        method, _, sparsity = name.rpartition(":")
        for seed in arguments.seeds:
            key = {"method": method, "sparsity": float(sparsity), "seed": seed}
            if not task.recorded(results, key):
                figures = run(arguments.folder, data, method, float(sparsity), seed)
                task.append(results, {**key, **figures})
    if arguments.table:
        table(arguments.folder)


if __name__ == "__main__":
    main()
