"""Accuracy of quantization-aware training with tfmot, the peer of `quantization_accuracy.py`.

Trains from the float weights that `tfmot_pruning.py --runs float:0` has left in a folder, with the
same epochs and rates as the peer; a line of JSON per result goes to `tfmot_quantization.jsonl`
there. Runs that the file has already are not repeated.

    python examples/benchmarks/tfmot_quantization.py --folder runs
"""

import argparse
from pathlib import Path

import tfmot_pruning  # first: it asks for Keras 2

import fashion_mnist_task as task  # isort: skip
import records
import tensorflow_model_optimization as tfmot
import tf_keras as keras

RUNS = ["int8", "pruned>int8"]
RATE, EPOCHS, SPARSITY = 5e-4, 2, 0.8


def run(folder, data, method, seed):
    """Trains one model; returns its figures."""
    keras.utils.set_random_seed(seed)
    model, scheme = task.network(keras), ()
    task.load_weights(model, task.weights_file(folder, seed))
    if method == "pruned>int8":
        model = pruned(model, data)
        scheme = (tfmot.experimental.combine.Default8BitPrunePreserveQuantizeScheme(),)
    quantization = tfmot.quantization.keras
    model = quantization.quantize_apply(quantization.quantize_annotate_model(model), *scheme)
    return task.train(keras, model, data, EPOCHS, RATE)


def pruned(model, data):
    """Returns the model, pruned to 80 %."""
    epochs, rate = task.FINE_TUNING
    end = task.schedule_end(epochs, len(data[0][0]))
    model = tfmot_pruning.wrap(model, "uniform", SPARSITY, end)
    task.train(keras, model, data, epochs, rate, [tfmot.sparsity.keras.UpdatePruningStep()])
    return tfmot.sparsity.keras.strip_pruning(model)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="of the weights and results")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=RUNS)
    arguments = parser.parse_args()
    data, results = task.load(), arguments.folder / "tfmot_quantization.jsonl"
    for method in arguments.runs:
        for seed in arguments.seeds:
            key = {"method": method, "seed": seed}
            if not records.recorded(results, key):
                records.append(results, {**key, **run(arguments.folder, data, **key)})


if __name__ == "__main__":
    main()
