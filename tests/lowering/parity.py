"""Comparison of a quantization-aware model with its integer counterpart, layer by layer."""

import keras
import numpy as np

from kerasopt.graph import Graph, Groups
from kerasopt.lowering.quantizers import affine_of


def fractions_equal(model: keras.Model, integers: keras.Model, x: np.ndarray) -> dict[str, float]:
    """Returns, for each integer layer, the share of equal values given equal inputs.

    The layer reads the integers that the fake-quantized values of `model` stand for, and its
    output is compared with the integers that `model` computes there.
    """
    groups = Groups(Graph.of(model))
    tensors = [node.keras_node.outputs[0] for node in groups.graph]
    values = dict(
        zip(map(id, groups.graph), keras.Model(model.inputs, tensors).predict(x, verbose=0))
    )
    shares = {}
    for group in groups:
        output = affine_of(group.output.operation, "output")
        layer = next((it for it in integers.layers if it.name == group.anchor.path), None)
        if output is None or not hasattr(layer, "output_affine"):
            continue
        affines = getattr(layer, "input_affines", None) or [layer.input_affine]
        arguments = [
            _integers(values[id(edge.source)], affine)
            for edge, affine in zip(group.inputs, affines, strict=True)
        ]
        found = keras.ops.convert_to_numpy(layer(arguments if len(arguments) > 1 else arguments[0]))
        expected = _integers(values[id(group.output)], output)
        shares[group.anchor.path] = float(np.mean(found == expected))
    return shares


def _integers(values, affine):
    q = np.rint(values / np.float32(affine.scale)) + affine.zero_point
    return np.clip(q, -128, 127).astype("int8")
