"""Sees through layers whose `call` is made of other layers and of `keras.ops`."""
