"""What flows along the edges of the model that is being built."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from kerasopt.inference import Affine


@dataclass(frozen=True)
class Value:
    """A symbolic tensor: integers with the `Affine` they stand for, or float32 with none."""

    tensor: keras.KerasTensor
    affine: Affine | None = None


class StaysFloat(Exception):
    """Raised by a pattern that cannot lower a group; the message says why, for the user."""
