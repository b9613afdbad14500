"""What a row of a cache consists of: structures of tensors, their encodings, their columns."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasopt.distillation.caching.encodings import Columns, Encoding, from_config, to_config


class Column(NamedTuple):
    """A file of rows of equal size.

    Attributes:
        name: String, also of the file.
        shape: Shape of a row.
        dtype: String.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def file(self) -> str:
        return f"{self.name}.bin"

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

    @classmethod
    def of(cls, values: Any, encoding_of: Callable[[int, np.ndarray], Encoding]) -> Part:
        """Returns the part for a structure of arrays.

        Args:
            values: The structure. Its lists become tuples, which `tf.data` takes for structures.
            encoding_of: Function from the index of an array, and the array, to its encoding.
        """
        leaves = keras.tree.flatten(values)
        structure = keras.tree.pack_sequence_as(values, list(range(len(leaves))))
        return cls(with_tuples(structure), [encoding_of(i, x) for i, x in enumerate(leaves)])


class Layout:
    """The parts of a row.

    Args:
        parts: Dict of `Part`s by name.
    """

    def __init__(self, parts: dict[str, Part]):
        self.parts = parts
        self.columns = {
            f"{part}_{index}_{name}": Column(f"{part}_{index}_{name}", shape, dtype)
            for part, (_, encodings) in parts.items()
            for index, encoding in enumerate(encodings)
            for name, (shape, dtype) in encoding.columns.items()
        }

    @property
    def row_bytes(self) -> int:
        return sum(column.row_bytes for column in self.columns.values())

    def split(self, values: dict[str, Any]) -> Columns:
        """Returns the columns of rows, before they are cast.

        Args:
            values: A structure of arrays for each part.
        """
        return {
            f"{part}_{index}_{name}": column
            for part, (_, encodings) in self.parts.items()
            for index, leaf in enumerate(keras.tree.flatten(values[part]))
            for name, column in encodings[index].split(leaf).items()
        }

    def joined(self, part: str, columns: Columns, rows: Any) -> Any:
        """Returns rows of a part, a structure of arrays.

        Args:
            part: The name of the part.
            columns: All columns.
            rows: What selects rows of an array.
        """
        structure, encodings = self.parts[part]

        def leaf(index: int) -> np.ndarray:
            names = encodings[index].columns
            return encodings[index].joined(
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
        parts = {}
        for name, part in config.items():
            encodings = list(map(from_config, part["encodings"]))
            parts[name] = Part(with_tuples(part["structure"]), encodings)
        return cls(parts)


def with_tuples(structure: Any) -> Any:
    """Returns a structure with tuples in the place of lists."""
    if isinstance(structure, dict):
        return {name: with_tuples(value) for name, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        return tuple(map(with_tuples, structure))
    return structure
