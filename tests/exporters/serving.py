"""Runs SavedModels with TensorFlow alone, a script: folder of the models, input, library.

The input is an `.npy` file, and what each model returns is written beside it.
"""

import sys

import numpy as np
import tensorflow as tf

folder, x, library = sys.argv[1:]


def serve(ops):
    model = tf.saved_model.load(f"{folder}/{ops}")
    np.save(f"{folder}/{ops}.npy", model.serve(np.load(x)))


serve("portable")
try:
    serve("native")
except RuntimeError as error:
    assert "Op type not registered 'Kerasopt" in str(error), error
else:
    raise AssertionError("the library is loaded")
tf.load_op_library(library)
serve("native")
assert "kerasopt" not in sys.modules
