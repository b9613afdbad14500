"""Arithmetic on two tensors."""

from typing import Any

from kerasopt.inference import Affine


def add(node: Any, writer: Any) -> None:
    _combine(node, writer, "Add")


def multiply(node: Any, writer: Any) -> None:
    _combine(node, writer, "Mul")


def batch_matmul(node: Any, writer: Any) -> None:
    edges = writer.operands(node)
    factors = [writer.tensors.real(edge) for edge in edges]
    factor, first = node.operation.factor, node.operation.input_affine[0]
    if factor != 1.0:
        # The integers of the first stand for multiples of it.
        scaled = Affine(first.scale * factor, first.zero_point)
        name = writer.tensors.name(edges[0])
        factors[0] = writer.graph.dequantize(name, scaled, writer.name(node, "scaled"))
    writer.add(node, "MatMul", factors)


def _combine(node: Any, writer: Any, kind: str) -> None:
    edges = writer.operands(node)
    are_images = all(len(edge.tensor.shape) == 4 for edge in edges)
    first = are_images and any(map(writer.tensors.is_first, edges))
    writer.add(node, kind, [writer.tensors.real(edge, first) for edge in edges], first)
