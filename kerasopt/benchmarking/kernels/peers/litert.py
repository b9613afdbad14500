"""LiteRT files in the interpreter that comes with TensorFlow."""

from __future__ import annotations

import pathlib
import warnings

from kerasopt.benchmarking.kernels.case import Call


def call_of(path: pathlib.Path, threads: int) -> Call:
    """Returns a call that computes a `.tflite` file on zeros.

    Args:
        path: The file, which is not needed afterwards.
        threads: Integer, the number of threads.
    """
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this interpreter will move to its own package
        interpreter = tf.lite.Interpreter(model_content=path.read_bytes(), num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter.invoke
