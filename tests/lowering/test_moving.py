"""Layers and operations that only move values, on integers, in every data format and rank."""

import keras
import numpy as np
import pytest
from lowering.trained import quantization_aware, run

import kerasopt as ko

K, L = keras.ops, keras.layers
IMAGES = {1: (8, 4), 2: (6, 8, 4), 3: (4, 6, 4, 4)}


def formats(name, ranks, **arguments):
    """Yields a case for each rank and data format of a layer."""
    for rank in ranks:
        cls = getattr(L, name.format(rank))
        for data_format in ("channels_last", "channels_first"):
            how = {"data_format": data_format, **arguments}
            yield f"{cls.__name__}-{data_format}", rank, lambda x, c=cls, h=how: c(**h)(x)


CASES = [
    *formats("MaxPooling{}D", (1, 2, 3)),
    *formats("MaxPooling{}D", (2,), pool_size=3, strides=2, padding="same"),
    *formats("GlobalMaxPooling{}D", (1, 2, 3)),
    *formats("GlobalMaxPooling{}D", (1, 2, 3), keepdims=True),
    *formats("ZeroPadding{}D", (1, 2, 3)),
    ("Cropping1D", 1, lambda x: L.Cropping1D(1)(x)),
    *formats("Cropping{}D", (2, 3)),
    ("UpSampling1D", 1, lambda x: L.UpSampling1D(2)(x)),
    *formats("UpSampling{}D", (2, 3)),
    *formats("Flatten", (1, 2, 3)),
    ("Permute", 2, lambda x: L.Permute((3, 1, 2))(x)),
    ("Reshape", 2, lambda x: L.Reshape((-1, 2))(x)),
    ("RepeatVector", 1, lambda x: L.RepeatVector(3)(L.Flatten()(x))),
    ("slice", 2, lambda x: x[:, 1:3, ::2, :-1]),
    ("new axis", 2, lambda x: x[:, None, :, 1]),
    ("concatenate", 2, lambda x: K.concatenate([x, x[:, :2]], axis=1)),
    ("Concatenate", 2, lambda x: L.Concatenate(axis=-1)([x, x])),
    ("split", 2, lambda x: K.split(x, 2, axis=-1)[1]),
    ("unstack", 2, lambda x: K.unstack(x, axis=1)[2]),
    ("tile", 2, lambda x: K.tile(x, (1, 2, 1, 1))),
    ("repeat", 2, lambda x: K.repeat(x, 2, axis=1)),
    ("flip", 2, lambda x: K.flip(x, axis=1)),
    ("roll", 2, lambda x: K.roll(x, 1, axis=1)),
    ("rot90", 2, lambda x: K.rot90(x, axes=(1, 2))),
    ("take", 2, lambda x: K.take(x, [0, 2], axis=1)),
    ("stack", 2, lambda x: K.stack([x, x], axis=1)),
    ("pad", 2, lambda x: K.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0)))),
    ("moveaxis", 2, lambda x: K.moveaxis(x, -1, 1)),
    ("swapaxes", 2, lambda x: K.swapaxes(x, 1, 2)),
    ("squeeze", 2, lambda x: K.squeeze(x[:, :1], 1)),
    ("broadcast_to", 1, lambda x: K.broadcast_to(x[:, :1], (4, 8, 4))),
    ("max_pool", 2, lambda x: K.max_pool(x, 2)),
    ("max_pool 1d", 1, lambda x: K.max_pool(x, 2)),
    ("max_pool 3d", 3, lambda x: K.max_pool(x, 2)),
    ("maximum", 2, lambda x: K.maximum(x, K.flip(x, axis=1))),
]


def network(rank, move):
    """Returns a model that moves integers, between layers with kernels."""
    inputs = keras.Input(IMAGES[rank])
    moved = move(L.Dense(4)(inputs))
    return keras.Model(inputs, L.Dense(3)(moved))


@pytest.mark.parametrize("spec", ["int8", "int16x8"])
@pytest.mark.parametrize("rank, move", [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_moved_integers_are_those_of_the_simulation(rank, move, spec):
    x = np.random.default_rng(0).normal(size=(4, *IMAGES[rank])).astype("float32")
    model = quantization_aware(network(rank, move), x, spec)
    converted = ko.convert(model, spec)
    expected, found = run(model, x), run(converted, x)
    step = np.abs(expected).max() / 100
    assert found.shape == expected.shape and np.abs(found - expected).max() <= step


def test_casts_from_floats_to_floats_pass_integers_on():
    inputs = keras.Input((8,))
    x = K.cast(L.Dense(8)(inputs), "float32")
    x = K.cast(keras.activations.silu(x), "float32")
    model = keras.Model(inputs, L.Dense(2)(x))
    x = np.random.default_rng(0).normal(size=(16, 8)).astype("float32")
    model = quantization_aware(model, x)
    assert ko.quantization.float_parts(model) == {}
    integers = ko.convert(model)
    kinds = [type(layer).__name__ for layer in integers.layers]
    assert kinds.count("Dequantize") == 1 and "QuantizedActivation" in kinds
    np.testing.assert_allclose(run(integers, x), run(model, x), atol=0.02)
