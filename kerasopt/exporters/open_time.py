"""`TimeDistributed` layers of sequences of any length, computed right.

Of a sequence whose length is not known, Keras 3.15 takes as many steps as the batch has examples:
its `TimeDistributed.call` transposes the input after it has read the input's shape.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from typing import Any

import keras

from kerasopt.graph import layers


@contextlib.contextmanager
def steps_as_examples(model: keras.Model) -> Iterator[None]:
    """Calls layers once on all steps of all examples, where their number is not known."""
    found = [each for _, each in layers(model) if isinstance(each, keras.layers.TimeDistributed)]
    before = [dict(vars(each)) for each in found]
    try:
        for each in found:
            vars(each)["call"] = types.MethodType(_call, each)
        yield
    finally:
        for each, known in zip(found, before, strict=True):
            vars(each).pop("call")
            if "call" in known:  # which reads parametrized weights once
                vars(each)["call"] = known["call"]


def _call(layer: Any, inputs: Any, training: Any = None, mask: Any = None) -> Any:
    if inputs.shape[1] is not None:
        return type(layer).call(layer, inputs, training=training, mask=mask)
    inner, kwargs = layer.layer, {}
    batch, steps, *sizes = keras.ops.shape(inputs)
    if "training" in inner.call_signature_parameters:
        kwargs["training"] = training
    if "mask" in inner.call_signature_parameters and mask is not None:
        kwargs["mask"] = keras.ops.reshape(mask, (-1, *keras.ops.shape(mask)[2:]))
    outputs = inner.call(keras.ops.reshape(inputs, (-1, *sizes)), **kwargs)
    return keras.ops.reshape(outputs, (batch, steps, *keras.ops.shape(outputs)[1:]))
