"""Warnings that show the line of the user's code that caused them."""

import contextlib
import os
import sys
import types
import warnings

import keras

_LIBRARIES = (os.path.dirname(__file__), os.path.dirname(keras.__file__))
_INSIDE = (*(folder + os.sep for folder in _LIBRARIES), contextlib.__file__)


def warn(message: str) -> None:
    """Warns with the location of the nearest caller outside of this package and Keras."""
    level = 2
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_INSIDE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)
