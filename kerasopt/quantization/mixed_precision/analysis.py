"""Measures how much the outputs change when the weights of one layer have fewer bits."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from kerasopt import graph
from kerasopt.keras_internals.layers import own_state
from kerasopt.parametrization import set_own_weight
from kerasopt.quantization.batches import batches_of
from kerasopt.quantization.formats import Format
from kerasopt.quantization.mixed_precision.widths import WidthSensitivity
from kerasopt.quantization.post_training.clipping import clipped_weight, has_grid
from kerasopt.quantization.recipe import make_recipe
from kerasopt.quantization.specs import Spec
from kerasopt.quantization.states import fixed_batch_size, states_kept, values_kept


def width_sensitivity(
    model: keras.Model,
    data: Any,
    widths: Iterable[int] = (2, 3, 4, 8),
    rules: Sequence = (),
    batch_size: int | None = None,
    verbose: int = 1,
) -> WidthSensitivity:
    """Measures the sensitivity of each layer to fewer bits for its weights.

    For every layer that `QuantizationAware` would quantize, its weights alone are rounded to each
    width in turn, as `ko.quantize` would round them, and the model predicts. The error of a layer
    at a width is

        mean (y' - y)^2 / variance of y

    over all outputs y. No labels are needed, and errors of several layers add up as long as they
    are small. The model is restored afterwards.

    Example:

    ```python
    analysis = ko.quantization.width_sensitivity(model, x[:500])
    print(analysis)
    widths = analysis.assign(budget=500_000)  # bytes
    model.fit(x, y, callbacks=[ko.callbacks.QuantizationAware("int8", rules=widths.rules())])
    ```

    Args:
        model: A built Keras model.
        data: Data for `model.predict` that can be read repeatedly.
        widths: Integers from 1 to 16, the bit widths to try.
        rules: List of (selector, boolean), first match wins: whether to measure a layer. Excluded
            layers keep their width.
        batch_size: As in `model.predict`.
        verbose: 0 (silent) or 1 (a progress bar).

    Returns:
        `WidthSensitivity`: a table, the best widths under a budget, a figure.

    Raises:
        ValueError: If the model is not built, the rules exclude all layers, a width is outside its
            range, or all outputs are equal.
    """
    graph.require_built(model)
    recipes = {bits: make_recipe(Spec(Format(bits, symmetric=True), None)) for bits in widths}
    layers = [(path, layer) for path, layer in graph.layers(model) if graph.kernel_names(layer)]
    selected = [
        (path, layer) for path, layer, wanted in graph.select(layers, rules, True) if wanted
    ]
    if not recipes or not selected:
        raise ValueError(
            "There is nothing to measure: pass at least one width, and rules that keep at least "
            f"one layer. Received: widths={list(recipes)}, rules={rules}"
        )
    expected = _predict(model, data, batch_size)
    variance = float(np.var(expected))
    if not np.isfinite(variance) or not variance:
        raise ValueError(
            "The outputs of the model on this data are all equal, or not finite, so changes cannot "
            f"be measured. Pass other data. Received: a variance of {variance}"
        )
    progress = keras.utils.Progbar(len(selected) * len(recipes), verbose=verbose)
    errors: dict[str, dict[int, float]] = {}
    for path, layer in selected:
        errors[path] = {}
        for bits, recipe in recipes.items():
            with _rounded(layer, recipe):
                outputs = _predict(model, data, batch_size)
            errors[path][bits] = float(np.mean((outputs - expected) ** 2)) / variance
            progress.add(1)
    # Lengths of sequences that the model leaves open are those of the data.
    (example,) = batches_of(data, batch_size, 1)
    with states_kept(model):
        macs = graph.multiply_accumulates(graph.Graph.of(model), model, example).of_layers
    return WidthSensitivity(
        errors,
        {path: _size(layer) for path, layer in selected},
        {path: macs[id(layer)] for path, layer in selected if id(layer) in macs},
    )


@contextlib.contextmanager
def _rounded(layer, recipe) -> Iterator[None]:
    """Temporarily rounds the kernels of a layer."""
    with values_kept(own_state(layer)):
        for name in graph.kernel_names(layer):
            weight = np.asarray(keras.ops.convert_to_numpy(getattr(layer, name)), "float32")
            quantizer = recipe.weight(layer, name)
            quantizer.build(weight.shape)
            if has_grid(quantizer):
                weight = clipped_weight(weight, quantizer)
            set_own_weight(layer, name, quantizer(keras.ops.convert_to_tensor(weight)))
        yield


def _size(layer) -> int:
    return sum(int(np.prod(getattr(layer, name).shape)) for name in graph.kernel_names(layer))


def _predict(model, data, batch_size) -> np.ndarray:
    with states_kept(model):
        size = batch_size or fixed_batch_size(model)
        outputs = model.predict(data, batch_size=size, verbose=0)
    flat = [np.asarray(each, "float64").ravel() for each in keras.tree.flatten(outputs)]
    return np.concatenate(flat)
