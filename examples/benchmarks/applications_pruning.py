"""Prunes every network of `keras.applications`, saves, loads and finalizes it.

A row says "yes" only if

- half of every kernel is zero, to one weight, after training, after `finalize`, and in a process
  that loads the file of the finalized network without importing kerasopt;
- the `.keras` file that Keras writes of the pruned network loads;
- the layers of the finalized network are of the classes that they were of before;
- all of these networks predict the same, to the bit.

    python examples/benchmarks/applications_pruning.py
    python examples/benchmarks/applications_pruning.py --only MobileNet VGG16 --output two.json
"""

import pathlib
import sys

import applications_task as task
import keras
import numpy as np

# Where the processes of a network leave files for each other.
FINALIZED, IMAGES, PREDICTIONS = "finalized.keras", "images.npy", "predictions.npy"
COLUMNS = {
    "input": ("Input", "d"),
    "parameters": ("Parameters", ",d"),
    "kernels": ("Kernels pruned", "d"),
    "zeros": ("Zeros in kernels", ".2%"),
    "fit_seconds": ("`fit` (s)", ".1f"),
    "dense_kB": ("Dense (kB)", ",.0f"),
    "pruned_kB": ("Pruned (kB)", ",.0f"),
}


def prune(name: str, folder: pathlib.Path, row: dict):
    """Takes a network through all that the table speaks of, and fills its row."""
    import kerasopt as ko

    keras.utils.set_random_seed(0)
    model = task.build_smallest(name)
    classes = [type(layer) for layer in model._flatten_layers()]
    row["dense_kB"] = kilobytes(ko, model, folder / "dense.keras")
    x = task.fit(model, ko.callbacks.Pruning(ko.schedules.OneShot(0.5, begin=1)), row)
    row["kernels"], row["zeros"] = halved_kernels(model)

    predictions = task.predict(model, x)
    model.save(folder / "pruned.keras")
    loaded = keras.models.load_model(folder / "pruned.keras")
    task.require_equal(task.predict(loaded, x), predictions)
    ko.finalize(model, verbose=False)
    if [type(layer) for layer in model._flatten_layers()] != classes:
        raise AssertionError("finalized layers are not of the classes that they were of")
    halved_kernels(model)
    task.require_equal(task.predict(model, x), predictions)
    row["pruned_kB"] = kilobytes(ko, model, folder / FINALIZED)
    np.save(folder / IMAGES, x)
    np.save(folder / PREDICTIONS, predictions)


def reload(name: str, folder: pathlib.Path, row: dict):
    """Loads the file of a finalized network as somebody without kerasopt does."""
    model = keras.models.load_model(folder / FINALIZED)
    halved_kernels(model)
    predictions = task.predict(model, np.load(folder / IMAGES))
    task.require_equal(predictions, np.load(folder / PREDICTIONS))
    if "kerasopt" in sys.modules:
        raise AssertionError("loading the finalized network imports kerasopt")


def halved_kernels(model: keras.Model) -> tuple[int, float]:
    """The number of kernels, and the fraction of zeros in them, as the layers read them.

    Which kernels there are is not kerasopt's to say.

    Raises:
        AssertionError: If not half of each kernel is zero, to one weight.
    """
    kernels = weights = zeros = 0
    for layer in model._flatten_layers(include_self=False):
        for name in ("kernel", "depthwise_kernel", "pointwise_kernel"):
            if getattr(layer, name, None) is None:
                continue
            values = keras.ops.convert_to_numpy(getattr(layer, name))
            found = values.size - np.count_nonzero(values)
            if abs(2 * found - values.size) > 1:
                raise AssertionError(f"{found} zeros of {values.size} in {layer.path}/{name}")
            kernels, weights, zeros = kernels + 1, weights + values.size, zeros + found
    return kernels, zeros / weights


def kilobytes(ko, model: keras.Model, path: pathlib.Path) -> float:
    """The size of the file that `ko.save` writes."""
    ko.save(model, path)
    return path.stat().st_size / 1000


if __name__ == "__main__":
    task.main(__doc__, [prune, reload], "applications_pruning", COLUMNS)
