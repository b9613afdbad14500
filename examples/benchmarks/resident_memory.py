"""Resident memory of a loaded model's weights, as the operating system counts it.

Eight dense layers of 4096 x 4096, saved in one format after the other and loaded in a process of
its own each. What the process holds more than before is its weights, but for activations of a few
kilobytes: libraries, and all that a first model needs, are loaded before with a small one. What
TensorFlow's allocator keeps of freed memory counts, for float32 as for the others: an int8 model is
to take a quarter of the float32 one's memory, scales and biases, and 5 % more at most.

    python examples/benchmarks/resident_memory.py
    TF_ENABLE_ONEDNN_OPTS=0 python examples/benchmarks/resident_memory.py \
        --output docs/results/resident_memory_without_onednn.json
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import results

import kerasopt as ko
from kerasopt.benchmarking.memory import variable_bytes

LAYERS = 8
ALLOWANCE = 1.05
SCALES = 12  # bytes for each output: a scale, a multiplier and a bias
MIB = 2**20
COLUMNS = {
    "format": ("Format", ""),
    "variables": ("Variables (MiB)", ".1f"),
    "resident": ("Resident (MiB)", ".1f"),
    "share": ("Of float32", ".3f"),
    "limit": ("At most (MiB)", ".1f"),
}


class Format(NamedTuple):
    bits: int  # of a weight
    make: Callable[[keras.Model, np.ndarray], keras.Model]


def quantized(spec: str) -> Callable[[keras.Model, np.ndarray], keras.Model]:
    return lambda model, x: ko.convert(ko.quantize(model, spec, x, verbose=0), spec)


FORMATS = {
    "float32": Format(32, lambda model, x: model),
    "float16": Format(16, quantized("float16")),
    "int8": Format(8, quantized("int8")),
    "int8_dynamic": Format(8, quantized("int8_dynamic")),
    "int4": Format(4, quantized("int4")),
    "binary": Format(1, quantized("binary")),
}


def write(name: str, path: pathlib.Path, units: int) -> None:
    keras.utils.set_random_seed(0)
    dense = [keras.layers.Dense(units, "relu") for _ in range(LAYERS)]
    model = keras.Sequential([keras.Input((units,)), *dense])
    x = np.random.default_rng(0).normal(size=(8, units)).astype("float32")
    FORMATS[name].make(model, x).save(path)


def load(path: pathlib.Path) -> keras.Model:
    model = keras.models.load_model(path)
    model.predict(np.zeros((1, *model.input_shape[1:]), "float32"), verbose=0)
    return model


def resident_bytes() -> int:
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def measure(small: pathlib.Path, path: pathlib.Path) -> None:
    """Prints the bytes that a model takes, and those of its variables."""
    kept = [load(small)]
    before = resident_bytes()
    kept.append(load(path))
    print(resident_bytes() - before, variable_bytes(kept[-1]))


def in_process(*arguments: object) -> list[int]:
    command = [sys.executable, __file__, *map(str, arguments)]
    return [int(word) for word in subprocess.check_output(command, text=True).split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--units", type=int, default=4096)
    parser.add_argument("--write", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    results.add_output(parser, "resident_memory")
    args = parser.parse_args()
    if args.write:
        write(args.write[0], pathlib.Path(args.write[1]), args.units)
    elif args.measure:
        measure(*map(pathlib.Path, args.measure))
    else:
        results.write(args.output, COLUMNS, rows(args.formats, args.units))


def rows(formats: list[str], units: int) -> dict[str, dict]:
    """Returns a row for each format.

    Raises:
        RuntimeError: If one takes more than it may.
    """
    made: dict[str, dict] = {}
    for name in dict.fromkeys(["float32", *formats]):
        with tempfile.TemporaryDirectory() as folder:
            small, path = (pathlib.Path(folder, f"{kind}.keras") for kind in ("small", "large"))
            in_process("--units", 64, "--write", name, small)
            in_process("--units", units, "--write", name, path)
            resident, variables = in_process("--measure", small, path)
        of_float32 = made["float32"]["resident"] if made else resident / MIB
        scales = SCALES * LAYERS * units / MIB
        made[name] = {
            "format": name,
            "variables": variables / MIB,
            "resident": resident / MIB,
            "share": resident / MIB / of_float32,
            "limit": (of_float32 * FORMATS[name].bits / 32 + scales) * ALLOWANCE,
        }
        if made[name]["resident"] > made[name]["limit"]:
            raise RuntimeError(f"{name} takes more memory than it may: {made[name]}")
    return made


if __name__ == "__main__":
    main()
