"""Speed of the integer Dense kernel against TensorFlow's float32 matmul, one thread.

Both run inside a `tf.function` that calls them `repeats` times on different inputs, since one
call of a `tf.function` from Python costs more than a small kernel. Rounds are interleaved.

    python examples/benchmarks/dense_int8.py [rows inputs units]
"""

import statistics
import sys
import time

import numpy as np
import tensorflow as tf

from kerasopt import ops
from kerasopt.ops import native

ROUNDS = 15


def make_functions(rows, inputs, units, repeats):
    """Return functions without arguments that multiply in float32 and in int8."""
    rng = np.random.default_rng(0)
    x = tf.Variable(rng.integers(-128, 128, (repeats, rows, inputs)).astype("int8"))
    kernel = tf.Variable(rng.integers(-127, 128, (inputs, units)).astype("int8"))
    bias = tf.Variable(rng.integers(-1000, 1000, units).astype("int32"))
    multiplier = tf.Variable(rng.uniform(1e-5, 1e-4, units).astype("float32"))
    float_x, float_kernel = (tf.Variable(tf.cast(v, "float32")) for v in (x, kernel))

    @tf.function
    def float32():
        return [tf.matmul(part, float_kernel)[0, 0] for part in tf.unstack(float_x)]

    @tf.function
    def int8():
        return [
            ops.quantized_matmul(
                part, kernel, bias, multiplier, input_zero_point=-3, output_zero_point=5
            )[0, 0]
            for part in tf.unstack(x)
        ]

    return {"float32": float32, "int8": int8}


def main(rows=256, inputs=1024, units=4096):
    """Print the median speed of both and their ratio."""
    if native.load() is None:
        sys.exit("The native library is not loaded: there is nothing to measure.")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    operations = 2 * rows * inputs * units
    repeats = max(1, min(50, 2 * 10**9 // operations))
    functions = make_functions(rows, inputs, units, repeats)
    seconds = {name: [] for name in functions}
    for round_number in range(ROUNDS + 1):
        for name, function in functions.items():
            begin = time.perf_counter()
            function()
            if round_number > 0:  # the first round traces
                seconds[name].append((time.perf_counter() - begin) / repeats)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"{name:8} {median * 1e3:8.3f} ms {operations / median / 1e9:8.1f} GOP/s")
    ratios = [f / i for f, i in zip(seconds["float32"], seconds["int8"], strict=True)]
    print(
        f"int8 is {statistics.median(ratios):.2f} times as fast as float32 on "
        f"{rows}x{inputs}x{units}, one thread ({min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
