"""Which call a number stands for: every op in every mode, most of them eagerly, which is fast."""

import functools

import numpy as np
from ops.fuzz import paths
from ops.fuzz.calls import CALLS
from ops.fuzz.hostile import spoilt

from kerasopt.ops import native

# Of this many calls of an op, how many run in which other mode.
_ROUND = 128
# Packing weights takes longer than to multiply with them: so many calls of an op are kept.
_VALID = 100
_MODES = ["jit", "graph", "graph", "graph", *["reference"] * 8]


def registered_ops():
    """Returns the names of all native ops."""
    return sorted(name for name in dir(native.load()) if name.startswith("Kerasopt"))


def call_of(seed, number):
    """Returns mode, call and random generator of a number."""
    names = registered_ops()
    place = number // len(names) % _ROUND
    rng = np.random.default_rng([seed, number])
    call = _valid(names[number % len(names)], int(rng.integers(_VALID)))
    call = spoilt(rng, call) if rng.random() < 0.5 else _shuffled(rng, call)
    return (_MODES[place] if place < len(_MODES) else "eager"), call, rng


@functools.cache
def _valid(name, variant):
    return CALLS[name](np.random.default_rng(variant))


def _shuffled(rng, call):
    """Returns a call with the values of its first input in another order."""
    name, x = next(iter(call.inputs.items()))
    return call._replace(
        inputs=call.inputs | {name: rng.permutation(x.reshape(-1)).reshape(x.shape)}
    )


def run(seed, number):
    """Runs a call; returns its op, its mode, and why it was refused, or None."""
    mode, call, rng = call_of(seed, number)
    return call.op, mode, paths.check(call, mode, rng)
