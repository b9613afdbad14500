"""What a row of a cache consists of: structures of tensors, their encodings, their columns."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasopt.distillation.caching.encodings import Encoding, from_config, to_config


class Column(NamedTuple):
    """A file of rows of equal size."""

    file: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


class Part(NamedTuple):
    """A structure of tensors, such as the outputs of a teacher.

    Attributes:
        structure: Dicts and tuples, with the index of an encoding as leaves.
        encodings: List of them.
    """

    structure: Any
    encodings: list[Encoding]


class Layout:
    """The parts of a row.

    Args:
        parts: Dict of `Part`s by name.
    """

    def __init__(self, parts: dict[str, Part]):
        self.parts = parts
        self.columns: dict[str, Column] = {
            f"{part}_{index}_{name}": Column(f"{part}_{index}_{name}.bin", shape, dtype)
            for part, (_, encodings) in parts.items()
            for index, encoding in enumerate(encodings)
            for name, (shape, dtype) in encoding.columns.items()
        }

    @property
    def row_bytes(self) -> int:
        return sum(column.row_bytes for column in self.columns.values())

    def encode(self, values: dict[str, Any]) -> dict[str, np.ndarray]:
        """Returns the arrays of all columns for a structure of arrays for each part."""
        return {
            f"{part}_{index}_{name}": array
            for part, (_, encodings) in self.parts.items()
            for index, (encoding, leaf) in enumerate(
                zip(encodings, keras.tree.flatten(values[part]), strict=True)
            )
            for name, array in encoding.encode(leaf).items()
        }

    def decode(self, part: str, columns: dict[str, np.ndarray], rows: Any) -> Any:
        """Returns rows of a part, a structure of arrays.

        Args:
            part: The name of the part.
            columns: All columns.
            rows: What selects rows of an array.
        """
        structure, encodings = self.parts[part]

        def leaf(index: int) -> np.ndarray:
            names = encodings[index].columns
            return encodings[index].decode(
                {name: columns[f"{part}_{index}_{name}"][rows] for name in names}
            )

        return keras.tree.map_structure(leaf, structure)

    def config(self) -> dict[str, Any]:
        return {
            name: {"structure": part.structure, "encodings": list(map(to_config, part.encodings))}
            for name, part in self.parts.items()
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Layout:
        return cls(
            {
                name: Part(
                    _tuples(part["structure"]), [from_config(each) for each in part["encodings"]]
                )
                for name, part in config.items()
            }
        )


def part_of(values: Any, encode: Any) -> Part:
    """Returns the part for a structure of arrays.

    Args:
        values: The structure; lists become tuples, which `tf.data` keeps apart.
        encode: Function that returns the encoding of a leaf, given its index and the leaf.
    """
    leaves = keras.tree.flatten(values)
    structure = keras.tree.pack_sequence_as(values, list(range(len(leaves))))
    return Part(_tuples(structure), [encode(i, leaf) for i, leaf in enumerate(leaves)])


def _tuples(structure: Any) -> Any:
    if isinstance(structure, dict):
        return {name: _tuples(value) for name, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        return tuple(map(_tuples, structure))
    return structure
