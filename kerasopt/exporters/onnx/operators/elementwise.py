"""Arithmetic on two tensors."""

from typing import Any


def add(node: Any, writer: Any) -> None:
    _combine(node, writer, "Add")


def multiply(node: Any, writer: Any) -> None:
    _combine(node, writer, "Mul")


def batch_matmul(node: Any, writer: Any) -> None:
    writer.add(node, "MatMul", [writer.tensors.real(key) for key in writer.keys(node)])


def _combine(node: Any, writer: Any, kind: str) -> None:
    keys = writer.keys(node)
    are_images = all(len(x.shape) == 4 for x in node.keras_node.input_tensors)
    first = are_images and any(map(writer.tensors.is_first, keys))
    writer.add(node, kind, [writer.tensors.real(key, first) for key in keys], first)
