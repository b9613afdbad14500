"""Accuracy of pruning with tensorflow-model-optimization, the peer of `pruning_accuracy.py`.

Trains the float network with Keras 2, writes its weights to a folder, and prunes it from them to
50, 80 and 90 % and to 2:4; a line of JSON per result goes to `tfmot.jsonl` in that folder. Runs
that the file has already are not repeated.

    python examples/benchmarks/tfmot_pruning.py --folder pruning_runs
"""

import argparse
import os
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import fashion_mnist_task as task
import records
import tensorflow_model_optimization as tfmot
import tf_keras as keras

RUNS = ["float:0", "dense:0", "uniform:0.5", "uniform:0.8", "uniform:0.9", "2:4:0.5"]


def wrap(model, method, sparsity, end):
    """Returns the model that tfmot prunes, with the wrappers in it."""
    pruning = tfmot.sparsity.keras
    if method == "2:4":  # at once, and not where the channels are no multiple of 4
        return pruning.prune_low_magnitude(model, sparsity_m_by_n=(2, 4))
    schedule = pruning.PolynomialDecay(0.0, sparsity, 0, end, frequency=task.FREQUENCY)
    return pruning.prune_low_magnitude(model, schedule)


def run(folder, data, method, sparsity, seed):
    """Trains one model; returns its figures."""
    keras.utils.set_random_seed(seed)
    model, weights = task.network(keras), task.weights_file(folder, seed)
    if method == "float":
        figures = task.train(keras, model, data, *task.TRAINING)
        task.save_weights(model, weights)
        return figures | {"zeros": 0.0}
    task.load_weights(model, weights)
    epochs, rate = task.FINE_TUNING
    if method == "2:4":
        epochs = task.EPOCHS_2_4
    callbacks = []
    if method != "dense":
        model = wrap(model, method, sparsity, task.schedule_end(epochs, len(data[0][0])))
        callbacks = [tfmot.sparsity.keras.UpdatePruningStep()]
    figures = task.train(keras, model, data, epochs, rate, callbacks)
    if method != "dense":
        model = tfmot.sparsity.keras.strip_pruning(model)
    return figures | {"zeros": task.zeros(task.pruned_layers(model))}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="of the weights and results")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", nargs="+", default=RUNS, help="as method:sparsity")
    arguments = parser.parse_args()
    data, results = task.load(), arguments.folder / "tfmot.jsonl"
    for seed in arguments.seeds:
        for name in arguments.runs:
            method, _, sparsity = name.rpartition(":")
            key = {"method": method, "sparsity": float(sparsity), "seed": seed}
            if not records.recorded(results, key):
                figures = run(arguments.folder, data, **key)
                records.append(results, {**key, **figures})


if __name__ == "__main__":
    main()
