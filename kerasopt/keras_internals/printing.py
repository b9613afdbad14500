"""Prints messages as Keras does."""

from keras.src.utils.io_utils import print_msg

__all__ = ["print_msg"]
