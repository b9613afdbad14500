"""Calls of the ops without weights that should succeed."""

import numpy as np
from ops.fuzz.arguments import (
    activation_dtype,
    calls_of,
    image,
    integers,
    output_attributes,
    point,
    powers_of_two,
    whole_floats,
)

from kerasopt import ops


def fake_quantization(rng):
    qmin, qmax = [(-128, 127), (-8, 7), (0, 255), (-32768, 32767)][rng.integers(4)]
    x = whole_floats(rng, rng.integers(0, 20, rng.integers(1, 4)).tolist(), 4000) / 16
    scale = powers_of_two(rng, [(), x.shape[-1:]][rng.integers(2)])
    shape = [(), scale.shape][rng.integers(2)]
    zero_point = rng.integers(qmin, qmax + 1, shape).astype("float32")
    return {"x": x, "scale": scale, "zero_point": zero_point}, {"qmin": qmin, "qmax": qmax}


@calls_of("FakeQuantize")
def fake_quantize(rng):
    return fake_quantization(rng)


@calls_of("FakeQuantizeGrad")
@calls_of("LearnedScaleGradients")
def fake_quantize_gradients(rng):
    inputs, attributes = fake_quantization(rng)
    return {"upstream": whole_floats(rng, inputs["x"].shape), **inputs}, attributes


@calls_of("Quantize")
def quantize(rng):
    inputs, _ = fake_quantization(rng)
    del inputs["zero_point"]
    dtype = activation_dtype(rng)
    return inputs, {"zero_point": int(integers(rng, (), dtype)), "T": dtype}


@calls_of("MinMax")
def min_max(rng):
    return {"x": whole_floats(rng, rng.integers(1, 20, rng.integers(0, 4)).tolist())}, {}


def pair(rng, dtype):
    shape = rng.integers(0, 6, rng.integers(0, 4)).tolist()
    others = [[size if rng.random() < 0.7 else 1 for size in shape] for _ in range(2)]
    shapes = others[0][rng.integers(0, 2) :], others[1]
    points = {name: point(rng, dtype) for name in ("zero_point0", "zero_point1")}
    inputs = {f"x{i}": integers(rng, one, dtype) for i, one in enumerate(shapes)}
    return inputs, points | {"output_zero_point": point(rng, dtype)}


def output_range(rng, dtype):
    names = ("output_min", "output_max")
    return {name: value for name, value in output_attributes(rng, dtype).items() if name in names}


@calls_of("QuantizedAdd")
def quantized_add(rng):
    dtype = activation_dtype(rng)
    inputs, attributes = pair(rng, dtype)
    multipliers = rng.integers(0, 2**21 + 1, 2).tolist()
    attributes |= {"multiplier0": multipliers[0], "multiplier1": multipliers[1]}
    return inputs, attributes | {"shift": int(rng.integers(9, 31))} | output_range(rng, dtype)


@calls_of("QuantizedMultiply")
def quantized_multiply(rng):
    inputs, attributes = pair(rng, "int8")
    return inputs, attributes | {"multiplier": rng.uniform(0.001, 0.1)} | output_range(rng, "int8")


@calls_of("QuantizedBatchMatMul")
def quantized_batch_matmul(rng):
    inputs, attributes = pair(rng, "int8")
    batches = [x.shape for x in inputs.values()]
    rank = max(map(len, batches))
    batches = [(1,) * (rank - len(batch)) + batch for batch in batches]
    rows, depth, columns = rng.integers(0, 40, 3).tolist()
    shapes = (*batches[0], rows, depth), (*batches[1], depth, columns)
    for i, shape in enumerate(shapes):
        order = rng.permutation(rank + 2) if rng.random() < 0.5 else []
        stored = [shape[axis] for axis in np.argsort(order)] if len(order) else shape
        inputs[f"x{i}"] = integers(rng, tuple(stored))
        attributes[f"order{i}"] = list(map(int, order))
    return inputs, attributes | {"multiplier": rng.uniform(1e-4, 0.01)}


def average_attributes(rng):
    return {
        "scale_ratio": rng.uniform(0.1, 3),
        "input_zero_point": point(rng),
        "output_zero_point": point(rng),
    }


@calls_of("QuantizedMean")
def quantized_mean(rng):
    x = image(rng, int(rng.integers(0, 20)), "int8")
    return {"x": x}, average_attributes(rng) | {"keepdims": bool(rng.integers(2))}


@calls_of("MaxPool")
def max_pool(rng):
    x = image(rng, int(rng.integers(0, 20)), "int8")
    sizes, padding = rng.integers(1, 5, 4).tolist(), str(rng.choice(["same", "valid"]))
    return {"x": x}, {"pool_size": sizes[:2], "strides": sizes[2:], "padding": padding}


@calls_of("QuantizedAveragePool")
def quantized_average_pool(rng):
    inputs, attributes = max_pool(rng)
    return inputs, attributes | average_attributes(rng)


@calls_of("LookUp")
def look_up(rng):
    x = integers(rng, rng.integers(0, 30, rng.integers(0, 4)).tolist())
    return {"x": x, "table": integers(rng, 256)}, {}


@calls_of("QuantizedSoftmax")
def quantized_softmax(rng):
    x = integers(rng, rng.integers(0, 30, rng.integers(1, 4)).tolist())
    return {"x": x, "table": ops.exponentials(rng.uniform(0.001, 1))}, {}


@calls_of("QuantizedLayerNormalization")
def quantized_layer_normalization(rng):
    x = integers(rng, rng.integers(0, 30, rng.integers(1, 4)).tolist())
    gain = rng.normal(size=x.shape[-1]).astype("float32") * 2**26
    offset = integers(rng, x.shape[-1], "int16").astype("int32") * 99
    attributes = {"epsilon": rng.uniform(0, 10), "output_zero_point": point(rng)}
    return {"x": x, "gain": gain, "offset": offset}, attributes
