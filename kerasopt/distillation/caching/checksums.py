"""Checksums of what a cache was made of.

They find accidents, such as a teacher that was trained further, not forgery: `crc32` reads some
gigabytes a second.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

# Rows of an array that is not contiguous, or lies on a disk, are read in pieces of some megabytes.
_PIECE = 2**24
_IGNORED = ("compile_config", "build_config", "seed")


def of_array(array: Any) -> str:
    """Returns a checksum of an array's shape, dtype and values."""
    array = np.asarray(array)
    value = zlib.crc32(f"{array.dtype.str}{array.shape}".encode())
    for piece in _pieces(array):
        value = zlib.crc32(_bytes(piece), value)
    return f"{value:08x}"


def of_ends(x: Any) -> np.ndarray:
    """Returns checksums of the first and of the last sample of a batch; those between are 0.

    A dataset that shuffles or augments has other ends within a few batches, and all samples would
    take longer than what a batch costs otherwise.
    """
    leaves = keras.tree.flatten(x)
    checksums = np.zeros(len(leaves[0]), "uint32")
    for end in {0, len(checksums) - 1}:
        for leaf in leaves:
            checksums[end] = zlib.crc32(_bytes(np.asarray(leaf[end])), int(checksums[end]))
    return checksums


def of_text(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def of_file(path: str) -> str:
    """Returns a checksum of a file, or of all files in a folder."""
    files = sorted(each for each in Path(path).rglob("*") if each.is_file()) or [Path(path)]
    value = 0
    for file in files:
        with open(file, "rb") as opened:
            while piece := opened.read(_PIECE):
                value = zlib.crc32(piece, value)
    return f"{value:08x}"


def of_weights(model: keras.Model) -> str:
    """Returns a checksum of the weights of a model."""
    return of_text("".join(of_array(keras.ops.convert_to_numpy(w)) for w in model.weights))


def of_config(model: keras.Layer) -> str:
    """Returns a checksum of a model's class and config, whatever the names of its layers are.

    Keras numbers names, so a model that the same code makes again has others.
    """
    name = f"{type(model).__module__}.{type(model).__qualname__}"
    try:
        config = keras.saving.serialize_keras_object(model)
        text = json.dumps(config, sort_keys=True, default=lambda value: type(value).__qualname__)
    except Exception:  # a subclass without `get_config`, of any kind: its class is what is known
        return of_text(name)
    config = json.loads(text)
    known = {name: f"layer {i}" for i, name in enumerate(dict.fromkeys(_names(config)))}
    return of_text(json.dumps(_renamed(config, known), sort_keys=True))


def _names(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        if isinstance(config.get("name"), str):
            yield config["name"]
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            yield from _names(value)


def _renamed(config: Any, names: dict[str, str]) -> Any:
    """Returns a config with other names, and without what changes no output."""
    if isinstance(config, dict):
        return {key: _renamed(each, names) for key, each in config.items() if key not in _IGNORED}
    if isinstance(config, list):
        return [_renamed(value, names) for value in config]
    return names.get(config, config) if isinstance(config, str) else config


def _pieces(array: np.ndarray) -> Iterable[np.ndarray]:
    if array.flags.c_contiguous and not isinstance(array, np.memmap):
        return [array]
    rows = max(1, _PIECE * len(array) // max(1, array.nbytes)) if array.ndim else 1
    return (array[i : i + rows] for i in range(0, len(array), rows)) if array.ndim else [array]


def _bytes(array: np.ndarray) -> Any:
    if array.dtype.hasobject:  # strings: the array itself holds addresses
        return b"\0".join(str(item).encode() for item in array.ravel())
    return np.ascontiguousarray(array).reshape(-1).view("uint8")
