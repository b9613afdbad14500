"""The table of timed cases."""

from __future__ import annotations

import fnmatch

from kerasopt.benchmarking.kernels.binary import binary_conv, binary_dense
from kerasopt.benchmarking.kernels.case import Case
from kerasopt.benchmarking.kernels.dynamic_dense import dynamic_dense
from kerasopt.benchmarking.kernels.half import half_conv, half_dense
from kerasopt.benchmarking.kernels.int16 import int16_matmul
from kerasopt.benchmarking.kernels.matmul import int8_matmul
from kerasopt.benchmarking.kernels.networks import application
from kerasopt.benchmarking.kernels.sparse import sparse_float32, sparse_int8
from kerasopt.benchmarking.kernels.weight_formats import packed_dense

CASES = (
    int8_matmul(64, 1024, 1024),
    int8_matmul(256, 1024, 4096),
    int16_matmul(256, 1024, 4096),
    dynamic_dense(1, 1024),
    dynamic_dense(8, 1024),
    packed_dense("int4", 4096),
    packed_dense("2:4", 4096),
    sparse_int8(784, 256),
    sparse_int8(196, 512),
    sparse_int8(49, 1024),
    sparse_float32(784, 256),
    sparse_float32(196, 512),
    sparse_float32(49, 1024),
    binary_dense(64, 1024),
    binary_conv(28, 128),
    binary_conv(56, 64),
    half_dense(1, 4096),
    half_dense(256, 1024),
    half_conv(28, 128),
    application("MobileNetV2"),
    application("ResNet50"),
)


def select(patterns: list[str]) -> list[Case]:
    """Returns the cases whose names match one of the patterns.

    Args:
        patterns: Globs, such as `"int8 matmul*"`.

    Raises:
        ValueError: If nothing matches one of them.
    """
    for pattern in patterns:
        if not any(fnmatch.fnmatch(case.name, pattern) for case in CASES):
            names = ", ".join(f"'{case.name}'" for case in CASES)
            raise ValueError(f"No case matches. Available cases are {names}. Received: {pattern!r}")
    return [case for case in CASES if any(fnmatch.fnmatch(case.name, p) for p in patterns)]
