"""The LiteRT format: `.tflite` files."""

from __future__ import annotations

import contextlib
from pathlib import Path

import keras

from kerasopt.exporters.foreign_process import ForeignProcess
from kerasopt.exporters.litert import run
from kerasopt.exporters.litert.integer_outputs import integer_outputs
from kerasopt.exporters.litert.splice import UnknownBatchSize
from kerasopt.exporters.litert.writer import Writer
from kerasopt.exporters.refusals import require_possible
from kerasopt.exporters.trial import trial_inputs
from kerasopt.graph import recorded


def write(
    model: keras.Model,
    path: Path,
    io_dtype: str = "float32",
    dynamic_range: bool = False,
    flex: bool = False,
) -> None:
    """Writes a LiteRT file and runs it once; see `kerasopt.export`.

    The file takes batches of any size; with a recurrent layer, of one example. With `flex` it is
    not run, since LiteRT for Python has no operators of TensorFlow.
    """
    if io_dtype not in ("float32", "int8"):
        raise ValueError(f"`io_dtype` must be 'float32' or 'int8'. Received: io_dtype={io_dtype!r}")
    with contextlib.ExitStack() as stack:
        runtime = stack.enter_context(ForeignProcess("LiteRT", run.__file__))
        functional = stack.enter_context(recorded(model))
        require_possible(model, functional, "LiteRT")
        if io_dtype == "int8":
            functional = stack.enter_context(integer_outputs(functional))
        try:
            content = Writer(functional, io_dtype, dynamic_range, flex).write()
        except UnknownBatchSize:
            content = Writer(functional, io_dtype, dynamic_range, flex, batch_size=1).write()
        path.write_bytes(content)
        if not flex:
            runtime.check(path, trial_inputs(functional))
