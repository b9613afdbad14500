"""Loads a finalized model with Keras alone; the argument is its directory."""

import sys

import keras
import numpy as np

(directory,) = sys.argv[1:]
model = keras.models.load_model(f"{directory}/final.keras")
predicted = model.predict(np.load(f"{directory}/input.npy"), verbose=0)
np.testing.assert_array_equal(predicted, np.load(f"{directory}/expected.npy"))
assert "kerasopt" not in sys.modules
