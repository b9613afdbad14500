"""The functional model behind a layer."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt.keras_internals.graphs import Functional, functional_in


def functional_of(operation: Any) -> Functional | None:
    """Returns the functional model whose graph `operation` runs, or `None`.

    `Functional` models and built `Sequential` models run a recorded graph. Subclassed models,
    functional subclasses with a custom `call` and composite layers do not.
    """
    if isinstance(operation, keras.Sequential) and type(operation).call is keras.Sequential.call:
        return functional_in(operation)
    if isinstance(operation, Functional) and type(operation).call is Functional.call:
        return operation
    return None
