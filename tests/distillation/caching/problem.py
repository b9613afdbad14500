"""A small teacher and its data."""

import keras
import numpy as np

import kerasopt as ko

N = 50
_RNG = np.random.default_rng(0)
X = _RNG.standard_normal((N, 6)).astype("float32")
Y = _RNG.integers(0, 3, N)


def model(classes=3, seed=0, units=5, activation=None):
    """Returns a compiled classifier."""
    keras.utils.set_random_seed(seed)
    hidden = keras.layers.Dense(units, "relu")
    made = keras.Sequential([keras.Input((6,)), hidden, keras.layers.Dense(classes, activation)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=activation is None)
    made.compile("adam", loss)
    return made


def cache(teacher, folder, x=X, **options):
    return ko.distillation.cache(teacher, x, folder, **{"verbose": 0, "batch_size": 8, **options})


_ATTENDING = {}  # what a running callback would hold


def attended(cached):
    """Returns the cache as in a training: its batches have the teacher's part."""
    cached.attending.add(_ATTENDING.setdefault(id(cached), cached.as_teacher()))
    return cached


def outputs_in(batch):
    return batch[2]["kerasopt_teacher"]["outputs"]


def contents(folder):
    """Returns the bytes of all columns."""
    return {path.name: path.read_bytes() for path in folder.glob("*.bin")}
