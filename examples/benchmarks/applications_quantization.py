"""Trains every network of `keras.applications` with `QuantizationAware`.

A row says "yes" only if

- every kernel, read as its layer reads it, has at most 255 values in each output channel;
- every range of activations is finite and wider than zero;
- the `.keras` file that Keras writes of the quantized network loads in another process, and
  predicts the same, to the bit.

    python examples/benchmarks/applications_quantization.py
    python examples/benchmarks/applications_quantization.py --only MobileNet VGG16 --output two.json
"""

import collections
import pathlib

import applications_task as task
import keras
import numpy as np

# Where the processes of a network leave files for each other.
QUANTIZED, IMAGES, PREDICTIONS = "quantized.keras", "images.npy", "predictions.npy"
COLUMNS = {
    "input": ("Input", "d"),
    "parameters": ("Parameters", ",d"),
    "kernels": ("Kernels", "d"),
    "activations": ("Activations", "d"),
    "float": ("Float", ""),
}


def quantize(name: str, folder: pathlib.Path, row: dict):
    """Trains a network with quantizers, and fills its row."""
    import kerasopt as ko

    keras.utils.set_random_seed(0)
    model = task.build_smallest(name)
    x = task.fit(model, ko.callbacks.QuantizationAware("int8", begin=1, freeze=3), row)
    row["kernels"] = rounded_kernels(model)
    row["activations"] = finite_ranges(ko, model)
    reasons = collections.Counter(ko.quantization.float_parts(model).values())
    row["float"] = "; ".join(f"{count} × {reason}" for reason, count in reasons.most_common())
    predictions = task.predict(model, x)
    model.save(folder / QUANTIZED)
    np.save(folder / IMAGES, x)
    np.save(folder / PREDICTIONS, predictions)


def reload(name: str, folder: pathlib.Path, row: dict):
    """Loads the file."""
    import kerasopt  # noqa: F401  # its layers are in the file

    model = keras.models.load_model(folder / QUANTIZED)
    rounded_kernels(model)
    predictions = task.predict(model, np.load(folder / IMAGES))
    task.require_equal(predictions, np.load(folder / PREDICTIONS))


def rounded_kernels(model: keras.Model) -> int:
    """The number of kernels; which there are is not kerasopt's to say.

    Raises:
        AssertionError: If one has more than 255 values in a channel.
    """
    kernels = 0
    for layer in model._flatten_layers(include_self=False):
        for name in ("kernel", "depthwise_kernel", "pointwise_kernel"):
            if getattr(layer, name, None) is None:
                continue
            values = keras.ops.convert_to_numpy(getattr(layer, name))
            is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            axes = 2 if is_depthwise or name == "depthwise_kernel" else 1
            for channel in values.reshape(-1, np.prod(values.shape[-axes:])).T:
                if len(np.unique(channel)) > 255:
                    raise AssertionError(f"{layer.path}/{name} is not rounded")
            kernels += 1
    return kernels


def finite_ranges(ko, model: keras.Model) -> int:
    """The number of quantized activations.

    Raises:
        AssertionError: If the range of one is not finite, or empty.
    """
    ranges = 0
    for layer in ko.parametrization.parametrized_layers(model):
        for slot in ("input", "output"):
            for link in layer.parametrizations.get(slot, ()):
                if not (np.isfinite(link.scale) and link.scale > 0 and link.has_range):
                    raise AssertionError(f"the range of {layer.path}/{slot} is {link.scale}")
                ranges += 1
    return ranges


if __name__ == "__main__":
    task.main(__doc__, [quantize, reload], "applications_quantization", COLUMNS)
