"""XLA's TPU compiler makes integer contractions of the ops, shown without a TPU."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "KERAS_BACKEND": "tensorflow",
    "TPU_SKIP_MDS_QUERY": "1",
    # Nothing is run on a TPU, so another process that has libtpu loaded is no obstacle.
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}

PROGRAM = """
import numpy as np
import tensorflow as tf
from ops.tpu import tpu_program

import kerasopt.ops

op = getattr(kerasopt.ops, {op!r})


@tf.function(jit_compile=True)
def function(x, kernel, bias, multiplier):
    return op(x, kernel, bias, multiplier, input_zero_point=-3, output_zero_point=5)


x, kernel = (tf.zeros(shape, "int8") for shape in {shapes!r})
print(tpu_program(function, x, kernel, tf.zeros(256, "int32"), tf.ones(256)))
"""


@pytest.mark.parametrize(
    "op, shapes",
    [
        ("quantized_matmul", [(256, 512), (512, 256)]),
        ("quantized_conv2d", [(8, 28, 28, 64), (3, 3, 64, 256)]),
    ],
)
def test_integer_contractions_in_the_tpu_program(op, shapes):
    tests = pathlib.Path(__file__).parents[1]
    path = os.pathsep.join([str(tests), *filter(None, [os.environ.get("PYTHONPATH")])])
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(op=op, shapes=shapes)],
        env={**os.environ, **ENVIRONMENT, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    # The TPU compiler writes a matrix product as a convolution too.
    contraction = re.search(
        r"= s32\[[^=]* (?:convolution|dot)\(%([\w.-]+), %([\w.-]+)\)", result.stdout
    )
    assert contraction, result.stdout
    for operand in contraction.groups():
        assert re.search(rf"%{re.escape(operand)} = s8\[", result.stdout), contraction[0]
