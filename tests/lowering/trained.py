"""Quantization-aware models for the tests of lowering, with ranges but without training."""

import keras
import numpy as np

from kerasopt import graph
from kerasopt.parametrization import parametrize
from kerasopt.quantization import find_sites, make_recipe


def quantization_aware(model: keras.Model, x: np.ndarray, spec="int8", rules=()) -> keras.Model:
    """Places quantizers as `QuantizationAware` does and lets them observe `x`."""
    for site in find_sites(model, make_recipe(spec), rules=list(rules)):
        parametrize(model, f"{site.path}/{site.slot}", site.quantizer)
    moments = [layer for _, layer in graph.layers(model) if hasattr(layer, "moving_mean")]
    kept = [(layer.moving_mean.numpy(), layer.moving_variance.numpy()) for layer in moments]
    model(x, training=True)
    for layer, (mean, variance) in zip(moments, kept, strict=True):
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)
    return model


def randomize(model: keras.Model, seed: int = 0) -> keras.Model:
    """Gives biases and batch normalizations the spread that training gives them."""
    generator = np.random.default_rng(seed)
    for variable in model.weights:
        spread = {
            "gamma": lambda s: generator.uniform(0.5, 1.5, s) * generator.choice([-1, 1, 1], s),
            "beta": lambda s: generator.normal(0, 0.5, s),
            "bias": lambda s: generator.normal(0, 0.2, s),
            "moving_mean": lambda s: generator.normal(0, 0.3, s),
            "moving_variance": lambda s: generator.uniform(0.3, 2.0, s),
        }.get(variable.name)
        if spread:
            variable.assign(spread(variable.shape))
    return model


def images(count=16, size=16, channels=3):
    generator = np.random.default_rng(1)
    return generator.normal(size=(count, size, size, channels)).astype("float32")


def run(model, x):
    return keras.tree.map_structure(keras.ops.convert_to_numpy, model(x))
