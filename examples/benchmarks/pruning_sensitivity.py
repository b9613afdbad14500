"""How sensitive each layer is to pruning, and what the suggested rules are worth.

    python examples/benchmarks/pruning_sensitivity.py --figure docs/pruning/sensitivity.png

The network of `fashion_mnist_task.py` is trained on 50,000 images of Fashion-MNIST, and its layers
are measured on the 10,000 others. Then it is pruned from the same weights to the same number of
zeros by the suggested rules, by one sparsity for every layer, and by one threshold for all: at
once, and while it is fine-tuned. Accuracies are those of the test images.
"""

import argparse

import fashion_mnist_task as task
import keras
import results
import tensorflow as tf
from PIL import Image

import kerasopt as ko

HELD_OUT = 10_000
COLUMNS = {
    "budget": ("Budget (points)", "g"),
    "zeros": ("Zeros (%)", ".1f"),
    "by": ("Pruned by", ""),
    "at_once": ("At once (%)", ".2f"),
    "fine_tuned": ("Fine-tuned (%)", ".2f"),
}
LEVELS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def network(weights):
    model = task.network(keras)
    model.set_weights(weights)
    return model


def at_once(weights, test, rules, zeros, scope):
    """Returns the accuracy of the network pruned without training."""
    model = network(weights)
    levels = dict(rules)
    targets = ko.sparsity.attach_masks(model, rules=rules)
    if levels:
        for target in targets:
            ko.sparsity.update_masks([target], levels[target.members[0].path])
    else:
        ko.sparsity.update_masks(targets, zeros, scope=scope)
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return 100 * model.evaluate(*test, batch_size=500, verbose=0)[1]


def fine_tuned(weights, train, test, rules, zeros, scope):
    """Returns the accuracy of the network pruned while it is fine-tuned."""
    keras.utils.set_random_seed(0)
    model, (epochs, rate) = network(weights), task.FINE_TUNING
    end = task.schedule_end(epochs, len(train[0]))
    schedule = ko.schedules.PolynomialDecay(0.0, zeros, 0, end, frequency=task.FREQUENCY)
    pruning = ko.callbacks.Pruning(schedule, scope=scope, rules=rules)
    return task.train(keras, model, (train, test), epochs, rate, [pruning])["accuracy"]


def compare(weights, train, test, curves, budget):
    """Returns the rows of the table for one budget."""
    rows = {}
    suggested = curves.suggest(budget)
    pruned = sum(curves.sizes[path] * level for path, level in suggested if level is not None)
    zeros = pruned / sum(curves.sizes.values())
    for name, rules, scope in (
        ("suggested rules", suggested, "layer"),
        ("one sparsity for all", [], "layer"),
        ("one threshold for all", [], "global"),
    ):
        rows[f"{name}:{budget:g}"] = {
            "budget": 100 * budget,
            "zeros": 100 * zeros,
            "by": name,
            "at_once": at_once(weights, test, rules, zeros, scope),
            "fine_tuned": fine_tuned(weights, train, test, rules, zeros, scope),
        }
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure", default="sensitivity.png", help="file to draw to")
    parser.add_argument("--budgets", type=float, nargs="+", default=[0.01, 0.1])
    results.add_output(parser, "pruning_sensitivity")
    arguments = parser.parse_args()
    train, held_out = task.load(HELD_OUT)
    _, test = task.load()
    keras.utils.set_random_seed(0)
    model = task.network(keras)
    dense = task.train(keras, model, (train, test), *task.TRAINING)["accuracy"]
    data = tf.data.Dataset.from_tensor_slices(held_out).batch(500)
    curves = ko.sparsity.sensitivity(model, data, LEVELS)
    print(f"\n{curves}\n")
    curves.plot(arguments.figure)
    # With few colours the file is a quarter as large.
    Image.open(arguments.figure).convert("RGB").quantize(64).save(arguments.figure, optimize=True)
    for budget in arguments.budgets:
        print(f"budget {budget}: {curves.suggest(budget)}")
    rows = {"dense": {"budget": 0.0, "zeros": 0.0, "by": "none", "at_once": dense}}
    for budget in arguments.budgets:
        rows |= compare(model.get_weights(), train, test, curves, budget)
    results.write(arguments.output, COLUMNS, rows)


if __name__ == "__main__":
    main()
