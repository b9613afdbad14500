"""Comparison of a quantization-aware model with its integer counterpart, layer by layer."""

import keras
import numpy as np

from kerasopt.graph import Graph, Groups
from kerasopt.lowering.quantizers import affine_of


def assert_parity(model: keras.Model, integers: keras.Model, x: np.ndarray, layers: int) -> None:
    """Asserts that integer layers compute what training saw, given equal inputs.

    Each layer reads the integers that the fake-quantized values of `model` stand for. Of its
    output 99.9 % equal the integers that `model` computes there, and none is off by more than 1.
    A layer may have one value off in any case, however small it is.
    """
    found = list(_differences(model, integers, x))
    assert len(found) == layers
    for path, difference in found:
        assert difference.max() <= 1, path
        assert difference.sum() <= max(1, difference.size // 1000), path


def _differences(model, integers, x):
    groups = Groups(Graph.of(model))
    tensors = [node.keras_node.outputs[0] for node in groups.graph]
    outputs = keras.Model(model.inputs, tensors)(x)
    values = {id(node): value for node, value in zip(groups.graph, outputs, strict=True)}
    for group in groups:
        output = affine_of(group.output.operation, "output")
        layer = next((it for it in integers.layers if it.name == group.anchor.path), None)
        if output is None or not hasattr(layer, "output_affine"):
            continue
        affines = layer.input_affines
        arguments = [
            _integers(values[id(edge.source)], affine)
            for edge, affine in zip(group.inputs, affines, strict=True)
        ]
        found = keras.ops.convert_to_numpy(layer(arguments if len(arguments) > 1 else arguments[0]))
        expected = _integers(values[id(group.output)], output)
        yield group.anchor.path, np.abs(found.astype("int32") - expected)


def _integers(values, affine):
    values = keras.ops.convert_to_numpy(values)
    q = np.rint(values / np.float32(affine.scale)) + affine.zero_point
    return np.clip(q, -128, 127).astype("int8")
