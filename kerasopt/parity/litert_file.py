"""Tensors of LiteRT files."""

from __future__ import annotations

import os
from typing import Any

from kerasopt.parity.foreign_file import ask_for_trace
from kerasopt.parity.trace import Trace


def trace_litert(path: str | os.PathLike, data: Any) -> Trace:
    """Returns the tensors that LiteRT computes for `data`, with XNNPACK.

    Every tensor is made an output, since XNNPACK does not keep intermediate tensors.
    """
    from kerasopt.exporters.litert import run

    tensors, outputs = ask_for_trace("LiteRT", run.__file__, path, data)
    return Trace(dict(tensors), outputs)
