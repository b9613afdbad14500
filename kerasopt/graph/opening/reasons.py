"""Why a layer cannot be recorded."""

from __future__ import annotations

import re
import traceback

from kerasopt.graph.opening.call import Unrecordable
from kerasopt.keras_internals import operands
from kerasopt.keras_internals.interception import PACKAGE

# What a `call` that cannot be called on symbolic tensors raises.
REFUSALS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    Unrecordable,
    ValueError,
)
# What Keras and TensorFlow say of functions that are none of Keras, and whose they are.
_FOREIGN = (
    (r"A KerasTensor cannot be used as input to a (\w+) function", r"\1"),
    (r"Could not build a TypeSpec for <KerasTensor", "TensorFlow"),
)
# How the reason begins if the error is none of the layer's code.
FAULT = "recording it failed by a fault of kerasopt"


def reason(error: BaseException) -> str:
    """Returns why a layer cannot be recorded, in a line."""
    # Keras adds where an error has occurred, and colors.
    lines = re.sub(r"\x1b\[\d*m", "", str(error)).strip().splitlines()
    said = [line for line in lines if line and not line.startswith("Exception encountered")]
    text = said[0] if said else type(error).__name__
    if isinstance(error, Unrecordable):
        return text
    if "You cannot convert it to a NumPy array" in text:
        return "its code needs the values of tensors, as NumPy arrays"
    for pattern, library in _FOREIGN:
        if found := re.search(pattern, text):
            name = found.expand(library)
            return f"its code calls functions of {name} instead of those of `keras.ops`"
    frames = traceback.extract_tb(error.__traceback__)
    # TensorFlow leaves out its own frames, so that the operator that calls it seems to raise.
    raised = [frame for frame in frames if frame.filename != operands.__file__][-1]
    if raised.filename.startswith(PACKAGE):
        place = f"{raised.filename.removeprefix(PACKAGE)}:{raised.lineno}"
        return f"{FAULT} ({type(error).__name__}: {text}, {place}); please report it"
    return f"its code cannot be called on symbolic tensors ({text})"
