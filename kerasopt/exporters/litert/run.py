"""Running LiteRT files. A process of its own runs this module too: it imports no kerasopt."""

from __future__ import annotations

import importlib.util
import os
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np

_FILE_IDENTIFIER = b"TFL3"


class LiteRT:
    """A LiteRT file that is run as LiteRT runs it by default, with XNNPACK.

    Args:
        source: String or `os.PathLike` of a file, or its bytes.

    Attributes:
        inputs: List of LiteRT's descriptions of the inputs.
        outputs: The same of the outputs.

    Raises:
        ValueError: If LiteRT cannot read the file.
    """

    def __init__(self, source: str | os.PathLike | bytes):
        from tensorflow.lite.python.interpreter import Interpreter

        is_content = isinstance(source, bytes)
        where = {"model_content": source} if is_content else {"model_path": os.fspath(source)}
        with warnings.catch_warnings():
            # TensorFlow says that its interpreter moves to a package of its own.
            warnings.simplefilter("ignore")
            try:
                self._interpreter = Interpreter(**where)
            except ValueError as error:
                name = "the file" if is_content else repr(source)
                raise ValueError(f"LiteRT cannot read {name}, it may be damaged: {error}") from None
        self.inputs: list[dict] = self._interpreter.get_input_details()
        self.outputs: list[dict] = self._interpreter.get_output_details()

    def __call__(self, *values: Any) -> list[np.ndarray]:
        """Returns the outputs for a batch; the file's batch size changes with it."""
        for details, value in zip(self.inputs, values, strict=True):
            if list(details["shape"]) != list(value.shape):
                self._interpreter.resize_tensor_input(details["index"], value.shape)
        self._interpreter.allocate_tensors()
        self.inputs = self._interpreter.get_input_details()
        for details, value in zip(self.inputs, values, strict=True):
            self._interpreter.set_tensor(details["index"], value)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(details["index"]) for details in self.outputs]

    def in_batches(self, values: list[np.ndarray]) -> list[np.ndarray]:
        """Returns the outputs for a batch, which is divided if the file has a batch size."""
        sizes = {int(d["shape_signature"][0]) for d in self.inputs if len(d["shape_signature"])}
        (size, *others) = sizes or {-1}
        counts = {len(value) for value in values if value.ndim}
        if size < 0 or others or counts in ({size}, set()):
            return self(*values)
        (count,) = counts
        if count % size:
            raise ValueError(
                f"it runs batches of {size}, as its recurrent layers need: give it a multiple of "
                f"{size} examples, not {count}"
            )
        parts = [self(*(v[at : at + size] for v in values)) for at in range(0, count, size)]
        outputs = zip(*parts, strict=True)
        return [np.concatenate(each) if each[0].ndim else each[0] for each in outputs]


def pack(model: Any) -> bytes:
    """Returns the bytes of a file, from the schema's object of it."""
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=_FILE_IDENTIFIER)
    return bytes(builder.Output())


def with_all_outputs(content: bytes) -> bytes:
    """Returns a LiteRT file that also has what its operators compute as outputs."""
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    main = model.subgraphs[0]
    computed = [int(index) for operator in main.operators for index in operator.outputs]
    main.outputs = list(dict.fromkeys([*computed, *map(int, main.outputs)]))
    # Signatures name the outputs that were.
    model.signatureDefs = None
    return pack(model)


def load() -> None:
    """Imports LiteRT's interpreter out of TensorFlow without the rest, which takes seconds."""
    found = importlib.util.find_spec("tensorflow")
    assert found is not None and found.origin is not None
    for name in ("tensorflow", "tensorflow.lite", "tensorflow.lite.python"):
        package = types.ModuleType(name)
        package.__path__ = [str(Path(found.origin).parent.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
    importlib.import_module("tensorflow.lite.python.interpreter")


def answer(path: str, arrays: list[np.ndarray], trace: bool) -> tuple[Any, list[np.ndarray]]:
    """Runs a file on `arrays`, if there are any; or returns all tensors that it computes of them.

    Those are described by name, scale and zero point (`None` of what is not quantized as a whole).
    """
    plain = LiteRT(path)
    if not trace:
        if arrays:
            plain(*map(_as_input, arrays, plain.inputs))
        return None, []
    shown = LiteRT(with_all_outputs(Path(path).read_bytes()))
    if len(arrays) != len(shown.inputs):
        raise ValueError(f"it has {len(shown.inputs)} inputs, not {len(arrays)}")
    inputs = [_as_input(*pair) for pair in zip(arrays, shown.inputs, strict=True)]
    outputs = shown.in_batches(inputs)
    names = {details["index"]: details["name"] for details in shown.outputs}
    described = [(each["name"], *_affine(each)) for each in [*shown.inputs, *shown.outputs]]
    return [described, [names[each["index"]] for each in plain.outputs]], [*inputs, *outputs]


def _affine(details: dict) -> tuple[float | None, int | None]:
    scales, zero_points = (
        details["quantization_parameters"][name] for name in ("scales", "zero_points")
    )
    if details["dtype"] not in (np.int8, np.int16) or len(scales) != 1:
        return None, None
    return float(scales[0]), int(zero_points[0])


def _as_input(value: np.ndarray, details: dict) -> np.ndarray:
    shape = [int(size) for size in details["shape_signature"]]
    sizes = zip(shape[1:], value.shape[1:], strict=False)
    if len(shape) != value.ndim or any(size not in (-1, given) for size, given in sizes):
        raise ValueError(f"its input {details['name']!r} has shape {shape}, not {value.shape}")
    scale, zero_point = _affine(details)
    if scale is None or zero_point is None:
        return value.astype(details["dtype"])
    largest = np.iinfo(details["dtype"]).max
    smallest = -largest if details["dtype"] == np.int16 else -largest - 1
    q = np.rint(value.astype("float32") / np.float32(scale)) + zero_point
    return np.clip(q, smallest, largest).astype(details["dtype"])
