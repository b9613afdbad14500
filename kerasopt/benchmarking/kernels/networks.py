"""Whole networks with random weights, at batch 1."""

from __future__ import annotations

import functools
import pathlib
import tempfile
from collections.abc import Callable

import keras
import numpy as np

from kerasopt.benchmarking.kernels.case import Case, Work
from kerasopt.benchmarking.kernels.peers import litert, openvino, tensorflow
from kerasopt.exporters import export
from kerasopt.lowering import convert
from kerasopt.quantization.post_training import quantize


def application(name: str) -> Case:
    """A network of `keras.applications`."""
    return network(name, lambda: getattr(keras.applications, name)(weights=None))


def network(name: str, build: Callable[[], keras.Model]) -> Case:
    """A network that `build` returns."""
    return Case(f"int8 {name}", functools.partial(_prepare, build))


def _prepare(build: Callable[[], keras.Model], threads: int) -> Work:
    keras.utils.set_random_seed(0)
    model = build()
    x = np.random.default_rng(0).uniform(-1, 1, (4, *model.input_shape[1:])).astype("float32")
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0  # so one batch gives it its statistics
    model(x, training=True)
    integers = convert(quantize(model, "int8", x, verbose=0))
    one = x[:1]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "model.tflite")
        export(integers, path, io_dtype="int8")
        return Work(
            ours=tensorflow.function_call_of(functools.partial(integers, training=False), one),
            peers={
                "LiteRT int8": litert.call_of(path, threads),
                "OpenVINO int8": openvino.call_of(
                    lambda: str(path), [np.zeros(one.shape, "int8")], threads
                ),
                "Keras float32": tensorflow.function_call_of(
                    functools.partial(model, training=False), one
                ),
            },
        )
