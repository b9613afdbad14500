"""XLA's TPU compiler makes integer contractions of the ops, shown without a TPU."""

import re

import pytest
from processes import run

ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "KERAS_BACKEND": "tensorflow",
    "TPU_SKIP_MDS_QUERY": "1",
    # Nothing is run on a TPU, so another process that has libtpu loaded is no obstacle.
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}

PROGRAM = """
import pathlib
import sys

import tensorflow as tf
from ops.tpu import tpu_program

import kerasopt.ops

for name, *shapes in OPS:
    op = getattr(kerasopt.ops, name)

    @tf.function(jit_compile=True)
    def function(x, kernel, bias, multiplier):
        return op(x, kernel, bias, multiplier, input_zero_point=-3, output_zero_point=5)

    x, kernel = (tf.zeros(shape, "int8") for shape in shapes)
    program = tpu_program(function, x, kernel, tf.zeros(256, "int32"), tf.ones(256))
    pathlib.Path(sys.argv[1], name).write_text(program)
"""

OPS = [
    ("quantized_matmul", (256, 512), (512, 256)),
    ("quantized_conv2d", (8, 28, 28, 64), (3, 3, 64, 256)),
]


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """The folder with the text of each op's program."""
    folder = tmp_path_factory.mktemp("programs")
    run("-c", f"OPS = {OPS}\n{PROGRAM}", folder, **ENVIRONMENT)
    return folder


@pytest.mark.parametrize("op", [name for name, *_ in OPS])
def test_integer_contractions_in_the_tpu_program(op, programs):
    program = (programs / op).read_text()
    # The TPU compiler writes a matrix product as a convolution too.
    contraction = re.search(r"= s32\[[^=]* (?:convolution|dot)\(%([\w.-]+), %([\w.-]+)\)", program)
    assert contraction, program
    for operand in contraction.groups():
        assert re.search(rf"%{re.escape(operand)} = s8\[", program), contraction[0]
