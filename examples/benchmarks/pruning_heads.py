"""Accuracy of a transformer on Fashion-MNIST whose attention heads are pruned.

The rows of an image are the tokens. A float network is trained, and from its weights the heads are
pruned, over all layers together, while it is fine-tuned: by the magnitude of their weights, by
their saliency, and at random, the control; `dense` is fine-tuned as long. A line of JSON per result
goes to `heads.jsonl` in the folder, and what is there already is not repeated.

    python examples/benchmarks/pruning_heads.py --folder pruning_runs
"""

import argparse
from pathlib import Path

import fashion_mnist_task as task
import keras
import records
import results

import kerasopt as ko

HEADS, WIDTH, BLOCKS = 8, 64, 2
FLOAT, FINE_TUNING = (4, 1e-3), (2, 5e-4)  # epochs, initial learning rate
CRITERIA = ("magnitude", "saliency", "random")
COLUMNS = {
    "share": ("Heads pruned (%)", ".0f"),
    "criterion": ("Criterion", ""),
    "seeds": ("Seeds", "d"),
    "accuracy": ("Accuracy (%)", ".2f"),
    "less_dense": ("Less dense", ".2f"),
}


def network():
    """Returns a transformer encoder of two blocks with eight heads each, 71,000 parameters."""
    layers = keras.layers
    inputs = layers.Input((28, 28, 1))
    x = layers.Dense(WIDTH, name="embed")(layers.Reshape((28, 28))(inputs))
    positions = layers.Embedding(28, WIDTH, name="positions")(keras.ops.arange(28))
    x = x + positions
    for block in range(BLOCKS):
        y = layers.LayerNormalization()(x)
        attention = layers.MultiHeadAttention(HEADS, WIDTH // HEADS, name=f"attention_{block}")
        x = x + attention(y, y)
        y = layers.Dense(2 * WIDTH, "relu")(layers.LayerNormalization()(x))
        x = x + layers.Dense(WIDTH)(y)
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(inputs, layers.Dense(task.CLASSES, name="classifier")(x))


def pruning(criterion, share, images):
    """Returns the callback that prunes this share of the heads half-way through."""
    epochs, _ = FINE_TUNING
    schedule = ko.schedules.PolynomialDecay(
        0.0, share, task.FREQUENCY, task.schedule_end(epochs, images), frequency=task.FREQUENCY
    )
    return ko.callbacks.Pruning(schedule, "global", criterion, pattern="head")


def pruned_heads(model):
    """Returns the share of heads whose projections are zero."""
    kernels = [
        keras.ops.convert_to_numpy(model.get_layer(f"attention_{block}")._value_dense.kernel)
        for block in range(BLOCKS)
    ]
    heads = [kernel[:, head] for kernel in kernels for head in range(HEADS)]
    return sum(not head.any() for head in heads) / len(heads)


def run(folder, data, criterion, share, seed):
    """Trains one model; returns its figures."""
    keras.utils.set_random_seed(seed)
    model, weights = network(), folder / f"heads-{seed}.npz"
    if criterion == "float":
        figures = task.train(keras, model, data, *FLOAT)
        task.save_weights(model, weights)
        return figures
    task.load_weights(model, weights)
    callbacks = [] if criterion == "dense" else [pruning(criterion, share, len(data[0][0]))]
    figures = task.train(keras, model, data, *FINE_TUNING, callbacks)
    return figures | {"pruned": pruned_heads(model)}


def rows(records):
    """Returns the results, named as criterion:share, each beside the dense network of its seed."""
    groups = {}
    for record in records:
        group = groups.setdefault((record["share"], record["criterion"]), {})
        group[record["seed"]] = record
    return {
        f"{criterion}:{share:g}": {
            "share": 100 * share,
            "criterion": criterion,
            "seeds": len(group),
            "accuracy": records.spread([record["accuracy"] for record in group.values()]),
            "less_dense": records.paired(group, groups[0.0, "dense"]) if share else None,
        }
        for (share, criterion), group in sorted(groups.items())
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="of the weights and results")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--shares", type=float, nargs="+", default=[0.5, 0.75])
    results.add_output(parser, "pruning_heads")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    data, log = task.load(), arguments.folder / "heads.jsonl"
    controls = [("float", 0.0), ("dense", 0.0)]
    pruned = [(criterion, share) for share in arguments.shares for criterion in CRITERIA]
    for seed in arguments.seeds:
        for criterion, share in controls + pruned:
            key = {"criterion": criterion, "share": share, "seed": seed}
            if not records.recorded(log, key):
                records.append(log, {**key, **run(arguments.folder, data, **key)})
    results.write(arguments.output, COLUMNS, rows(records.read(log)))


if __name__ == "__main__":
    main()
