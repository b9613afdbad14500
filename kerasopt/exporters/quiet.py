"""Converters that print: kept from the terminal, unless they fail."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

_LOGGERS = ("absl", "tensorflow", "tf2onnx")
_LINES = 20


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps what Python and C++ print inside of it; an exception gets the last lines as a note."""
    with tempfile.TemporaryFile() as printed, contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for name in _LOGGERS:
            logger = logging.getLogger(name)
            stack.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.CRITICAL)
        # Python's streams are other ones than C++'s in a notebook.
        streams = io.StringIO()
        stack.enter_context(contextlib.redirect_stdout(streams))
        stack.enter_context(contextlib.redirect_stderr(streams))
        for descriptor in (1, 2):
            _redirect(descriptor, printed.fileno(), stack)
        try:
            yield
        except Exception as error:
            printed.seek(0)
            text = printed.read().decode(errors="replace") + streams.getvalue()
            error.add_note("\n".join(text.strip().splitlines()[-_LINES:]))
            raise


def _redirect(descriptor: int, target: int, stack: contextlib.ExitStack) -> None:
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and not stream.closed:
            stream.flush()
    try:
        saved = os.dup(descriptor)
    except OSError:  # a process without standard streams
        return
    stack.callback(os.close, saved)
    stack.callback(os.dup2, saved, descriptor)
    os.dup2(target, descriptor)
