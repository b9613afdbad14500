"""Spoils calls: attributes, shapes, dtypes and values that no caller should pass."""

import numpy as np

INTEGERS = [0, -1, 1, 2, 3, 127, 128, -128, -129, 255, 2**15, 2**16, 2**20, 2**20 + 1]
INTEGERS += [2**31 - 1, 2**31, -(2**31), 2**32 + 1, 2**60, 2**62, 2**63 - 1, -(2**63)]
FLOATS = [0.0, -0.0, -1.0, 1.0, np.nan, np.inf, -np.inf, 1e-38, 1e-30, 1e30, 3.4e38, -3.4e38]
SUBNORMALS = [1e-45, 1e-40, -1e-39]
STRINGS = ["", "same", "valid", "SAME", "int8", "int4", "2:4", "binary", "float16", "bfloat16"]
DTYPES = ["int8", "int16", "int32", "float32", "float64", "bool"]


def spoilt(rng, call):
    """Returns a call of which one to three arguments are changed."""
    inputs, attributes, changed = dict(call.inputs), dict(call.attributes), set()
    for _ in range(rng.integers(1, 4)):
        if attributes and rng.random() < 0.6:
            name = str(rng.choice(list(attributes)))
            attributes[name] = _other_attribute(rng, attributes[name])
            changed.add(name)
        else:
            name = str(rng.choice(list(inputs)))
            values = SUBNORMALS + FLOATS if name in ("scale", "zero_point") else FLOATS
            inputs[name] = _other_array(rng, inputs[name], values)
            changed.add(name)
    return call._replace(inputs=inputs, attributes=attributes, spoilt=frozenset(changed))


def _one(rng, values):
    return values[rng.integers(len(values))]


def _other_attribute(rng, value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return _one(rng, INTEGERS)
    if isinstance(value, float):
        return float(_one(rng, FLOATS + SUBNORMALS))
    if isinstance(value, str):
        return _one(rng, STRINGS)
    return _other_list(rng, list(value))


def _other_list(rng, values):
    how = rng.integers(6)
    if how == 0:
        return values[:-1]
    if how == 1:
        return [*values, _one(rng, INTEGERS)]
    if how == 2:
        return [_one(rng, INTEGERS) for _ in values]
    if values:
        values[rng.integers(len(values))] = _one(rng, INTEGERS)
    return values


def _other_array(rng, x, floats):
    how = rng.integers(8)
    if how == 0:
        return x.astype(_one(rng, DTYPES))
    if how == 1:
        return x.reshape(-1)
    if how == 2:
        return x[None]
    if how == 3 and x.ndim:
        axis = rng.integers(x.ndim)
        return np.resize(x, [*x.shape[:axis], _one(rng, [0, 1, 2, 300]), *x.shape[axis + 1 :]])
    if how == 4 and x.ndim:
        axis = rng.integers(x.ndim)
        length = x.shape[axis] + _one(rng, [-1, 1])
        return np.resize(x, [*x.shape[:axis], max(length, 0), *x.shape[axis + 1 :]])
    x = np.array(x)
    if x.dtype.kind in "iu":
        values, count = [np.iinfo(x.dtype).min, np.iinfo(x.dtype).max, 0], rng.integers(1, 64)
    else:
        values, count = floats, rng.integers(1, 4)
    for _ in range(count if x.size else 0):
        x.flat[rng.integers(x.size)] = _one(rng, values)
    return x
