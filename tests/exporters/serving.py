"""Runs a SavedModel with TensorFlow alone, a script: folder, input, output, and a library to load.

Input and output are `.npy` files.
"""

import sys

import numpy as np
import tensorflow as tf

folder, x, y, *library = sys.argv[1:]
if library:
    tf.load_op_library(*library)
model = tf.saved_model.load(folder)
np.save(y, model.serve(np.load(x)))
assert "kerasopt" not in sys.modules
