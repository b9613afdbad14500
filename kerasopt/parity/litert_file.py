"""The tensors of a LiteRT file."""

from __future__ import annotations

import os
from typing import Any

from kerasopt.parity.foreign_file import ask_for_trace
from kerasopt.parity.trace import Trace


def trace_litert(path: str | os.PathLike, data: Any) -> Trace:
    """Returns the tensors that LiteRT computes of `data`, with XNNPACK.

    For that every tensor becomes an output: what XNNPACK computes inside of it would else be gone.
    """
    from kerasopt.exporters.litert import run

    tensors, outputs = ask_for_trace("LiteRT", run.__file__, path, data)
    return Trace(dict(tensors), outputs)
