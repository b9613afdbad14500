"""Arithmetic on two tensors."""

from typing import Any


def add(node: Any, writer: Any) -> None:
    _combine(node, writer, "Add")


def multiply(node: Any, writer: Any) -> None:
    _combine(node, writer, "Mul")


def batch_matmul(node: Any, writer: Any) -> None:
    writer.add(node, "MatMul", [writer.tensors.real(edge) for edge in node.inputs])


def _combine(node: Any, writer: Any, kind: str) -> None:
    edges = node.inputs
    are_images = all(len(x.shape) == 4 for x in node.keras_node.input_tensors)
    first = are_images and any(map(writer.tensors.is_first, edges))
    writer.add(node, kind, [writer.tensors.real(edge, first) for edge in edges], first)
