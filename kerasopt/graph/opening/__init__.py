"""Sees through layers whose `call` is made of other layers and of `keras.ops`."""

from kerasopt.graph.opening.call import Call, Recording, Unrecordable
from kerasopt.graph.opening.opening import record
from kerasopt.graph.opening.sized_operation import SizedOperation

__all__ = ["Call", "Recording", "SizedOperation", "Unrecordable", "record"]
