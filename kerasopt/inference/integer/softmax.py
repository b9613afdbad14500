"""Integer softmax layer."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import ops
from kerasopt.inference.affine import Affine
from kerasopt.inference.integer.layer import IntegerLayer

OUTPUT = Affine(1 / 256, -128)


@keras.saving.register_keras_serializable(package="kerasopt")
class QuantizedSoftmax(IntegerLayer):
    """Softmax along the last axis of an int8 tensor.

    Input: int8. Output: int8 of the same shape, at scale 1/256 and zero point -128.

    Args:
        **kwargs: `input_affine`, and the arguments of `keras.layers.Layer`.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**{"output_affine": OUTPUT, **kwargs})
        self._exponentials = ops.exponentials(self.input_affine.scale)

    def call(self, inputs: Any) -> Any:
        return ops.quantized_softmax(inputs, self._exponentials)
