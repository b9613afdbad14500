"""The LiteRT format: `.tflite` files."""

from __future__ import annotations

import contextlib
from pathlib import Path

import keras

from kerasopt.exporters.litert.integer_outputs import integer_outputs
from kerasopt.exporters.litert.run import LiteRT
from kerasopt.exporters.litert.splice import UnknownBatchSize
from kerasopt.exporters.litert.writer import Writer
from kerasopt.graph import recorded


def write(
    model: keras.Model, path: Path, io_dtype: str = "float32", dynamic_range: bool = False
) -> None:
    """Writes a LiteRT file and runs it once; see `kerasopt.export`.

    The file takes batches of any size; with a recurrent layer, of one example.
    """
    if io_dtype not in ("float32", "int8"):
        raise ValueError(f"`io_dtype` must be 'float32' or 'int8'. Received: io_dtype={io_dtype!r}")
    with contextlib.ExitStack() as stack:
        functional = stack.enter_context(recorded(model))
        if io_dtype == "int8":
            functional = stack.enter_context(integer_outputs(functional))
        try:
            content = Writer(functional, io_dtype, dynamic_range).write()
        except UnknownBatchSize:
            content = Writer(functional, io_dtype, dynamic_range, batch_size=1).write()
    path.write_bytes(content)
    LiteRT(path).run_once()
