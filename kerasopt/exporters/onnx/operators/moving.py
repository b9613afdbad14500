"""Operations that move int8 values."""

from typing import Any

import numpy as np

from kerasopt.graph import unwrap


def reshape(node: Any, writer: Any) -> None:
    sizes = [-1 if size is None else size for size in node.keras_node.outputs[0].shape]
    shape = writer.graph.constant(writer.name(node, "shape"), np.array(sizes, "int64"))
    _move(node, writer, "Reshape", shape)


def permute(node: Any, writer: Any) -> None:
    _move(node, writer, "Transpose", perm=[0, *unwrap(node.operation).dims])


def concatenate(node: Any, writer: Any) -> None:
    affine = writer.tensors.affines[node.inputs[0]]
    edges = writer.operands(node, affine)
    rank = len(node.keras_node.outputs[0].shape)
    axis = unwrap(node.operation).axis % rank
    first = rank == 4 and any(map(writer.tensors.is_first, edges))
    if first:
        axis = (0, 2, 3, 1)[axis]
    names = [writer.tensors.name(edge, first) for edge in edges]
    writer.put(
        node,
        lambda output: writer.graph.add("Concat", names, output, axis=axis),
        affine,
        first,
    )


def pad(node: Any, writer: Any) -> None:
    (edge,) = node.inputs
    affine = writer.tensors.affines[edge]
    widths = [tuple(width) for width in unwrap(node.operation).pad_width]
    first = len(widths) == 4 and writer.tensors.is_first(edge)
    if first:
        widths = [widths[axis] for axis in (0, 3, 1, 2)]
    begins, ends = zip(*widths, strict=True)
    pads = writer.graph.constant(writer.name(node, "pads"), np.array([*begins, *ends], "int64"))
    zero = writer.graph.constant(writer.name(node, "zero"), np.int8(affine.zero_point))
    x = writer.tensors.name(edge, first)
    writer.put(node, lambda output: writer.graph.add("Pad", [x, pads, zero], output), affine, first)


def _move(node: Any, writer: Any, kind: str, *constants: str, **attributes: Any) -> None:
    (edge,) = node.inputs
    x = writer.tensors.name(edge)
    writer.put(
        node,
        lambda output: writer.graph.add(kind, [x, *constants], output, **attributes),
        writer.tensors.affines[edge],
    )
