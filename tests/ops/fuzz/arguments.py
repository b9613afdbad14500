"""Calls of native ops, and the random numbers, shapes and attributes that they are made of.

Where an op adds floats, values are small integers and scales powers of two: sums are exact in any
order, so all paths have to give the same bits.
"""

from typing import Any, NamedTuple

import numpy as np


class Call(NamedTuple):
    """Name of an op, its arrays, and its attributes; and the names of what was spoilt."""

    op: str
    inputs: dict[str, np.ndarray]
    attributes: dict[str, Any]
    spoilt: frozenset[str] = frozenset()


CALLS = {}


def calls_of(name):
    """Registers a function from a random generator to the inputs and attributes of an op."""

    def register(function):
        CALLS["Kerasopt" + name] = lambda rng: Call("Kerasopt" + name, *function(rng))
        return function

    return register


def integers(rng, shape, dtype="int8"):
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max + 1, shape).astype(dtype)


def whole_floats(rng, shape, most=8):
    return rng.integers(-most, most + 1, shape).astype("float32")


def powers_of_two(rng, shape):
    return np.exp2(rng.integers(-6, 3, shape)).astype("float32")


def point(rng, dtype="int8"):
    return int(rng.integers(-128, 128)) if dtype == "int8" else 0


def output_attributes(rng, dtype):
    limits = np.iinfo(dtype)
    ends = sorted(rng.integers(limits.min, limits.max + 1, 2).tolist())
    return {
        "input_zero_point": point(rng, dtype),
        "output_zero_point": point(rng, dtype),
        "output_min": int(rng.choice([ends[0], limits.min])),
        "output_max": int(rng.choice([ends[1], limits.max])),
    }


def window_attributes(rng):
    padding = str(rng.choice(["same", "valid"]))
    pads = rng.integers(0, 3, 4).tolist() if padding == "valid" else [0] * 4
    return {
        "strides": rng.integers(1, 4, 2).tolist(),
        "dilation_rate": rng.choice([1, 1, 2, 3], 2).tolist(),
        "padding": padding,
        "pads": pads,
    }


def image(rng, channels, dtype):
    shape = (int(rng.integers(0, 3)), *rng.integers(5, 12, 2).tolist(), channels)
    return whole_floats(rng, shape) if dtype == "float32" else integers(rng, shape, dtype)


def rows(rng, depth, dtype):
    shape = (*rng.integers(0, 5, rng.integers(1, 3)).tolist(), depth)
    return whole_floats(rng, shape) if dtype == "float32" else integers(rng, shape, dtype)


def activation_dtype(rng):
    return str(rng.choice(["int8", "int8", "int16"]))
