"""Makes the small models of keras-hub, and random inputs for them."""

from collections.abc import Mapping
from typing import Any

import keras
import keras_hub
import numpy as np
from hub_configs import BELOW, MODELS, SHAPES
from hub_parts import EXAMPLES, LENGTH, VOCABULARY


def built(name: str) -> keras.Model:
    """Returns a model with random weights, its vectors not at 0 and 1 as they begin."""
    keras.utils.set_random_seed(0)
    model = _made(MODELS[name])
    generator = np.random.default_rng(0)
    for variable in model.weights:
        if "float" in variable.dtype and len(variable.shape) == 1:
            variable.assign_add(generator.normal(0, 0.05, variable.shape))
    return model


def inputs_of(
    name: str, model: keras.Model, examples: int = EXAMPLES, length: int = LENGTH
) -> Mapping[str, np.ndarray] | np.ndarray:
    """Returns a batch of random inputs; the last example of masked ones is padded."""
    generator = np.random.default_rng(1)
    shapes = SHAPES.get(name, {})

    def array(tensor: keras.KerasTensor) -> np.ndarray:
        key = tensor.name.split(":")[0]
        known = [length if size is None else size for size in tensor.shape[1:]]
        shape = (examples, *shapes.get(key, known))
        if "padding_mask" in key:
            mask = np.ones(shape, tensor.dtype)
            mask[-1, shape[1] // 2 :] = 0
            return mask
        if "float" in tensor.dtype:
            return generator.normal(size=shape).astype(tensor.dtype)
        below = next((n for part, n in BELOW.items() if part in key), VOCABULARY)
        return generator.integers(0, below, shape).astype(tensor.dtype)

    return keras.tree.map_structure(array, model.input)


def _made(data: Any) -> Any:
    if isinstance(data, tuple) and len(data) == 2 and isinstance(data[1], dict):
        name, arguments = data
        room = keras_hub.models if hasattr(keras_hub.models, name) else keras_hub.layers
        cls, given = getattr(room, name), {key: _made(value) for key, value in arguments.items()}
        if hasattr(cls, "backbone_cls"):
            given.setdefault("preprocessor", None)  # inputs are tokens and pixels
        return cls(**given)
    return data
