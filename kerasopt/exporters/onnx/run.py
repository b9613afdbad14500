"""Running ONNX files. A process of its own runs this module too: it imports no kerasopt."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import numpy as np


class OnnxRuntime:
    """An ONNX file that onnxruntime runs on the CPU.

    Args:
        source: String or `os.PathLike` of a file, or its bytes.

    Attributes:
        inputs: List of the names of the inputs.
        outputs: List of the names of the outputs.

    Raises:
        ImportError: If onnxruntime is not installed.
        ValueError: If it cannot read the file.
    """

    def __init__(self, source: str | os.PathLike | bytes):
        require_runtime()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # Else float rows are rounded to int8 before some products with integer weights.
        options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
        try:
            session = onnxruntime.InferenceSession(
                source if isinstance(source, bytes) else os.fspath(source),
                options,
                providers=["CPUExecutionProvider"],
            )
        except Exception as error:  # of classes that onnxruntime does not export
            name = "the file" if isinstance(source, bytes) else os.fspath(source)
            raise ValueError(
                f"onnxruntime cannot read {name}, it may be damaged: {error}"
            ) from error
        self._session = session
        self.inputs = [each.name for each in session.get_inputs()]
        self.outputs = [each.name for each in session.get_outputs()]

    def __call__(self, *values: Any) -> list[np.ndarray]:
        """Returns the outputs for a batch."""
        return self._session.run(None, dict(zip(self.inputs, values, strict=True)))

    def dtypes(self) -> list[np.dtype]:
        """Returns the dtypes of the inputs."""
        return [
            np.dtype(_DTYPES.get(name, name))
            for name in (each.type[len("tensor(") : -1] for each in self._session.get_inputs())
        ]


# What ONNX calls otherwise than NumPy.
_DTYPES = {"float": "float32", "double": "float64"}


def load() -> None:
    """Imports what `answer` needs, and is installed."""
    import onnx  # noqa: F401

    if has_runtime():
        import onnxruntime  # noqa: F401


def has_runtime() -> bool:
    """Whether onnxruntime is installed."""
    try:
        return importlib.util.find_spec("onnxruntime") is not None
    except ValueError:  # it was switched off: `sys.modules` has None for it
        return False


def require_runtime() -> None:
    """Raises `ImportError` if onnxruntime is not installed."""
    if not has_runtime():
        raise ImportError('ONNX files are run by onnxruntime: `pip install "kerasopt[onnx]"`.')


def answer(path: str, arrays: list[np.ndarray], trace: bool) -> tuple[Any, list[np.ndarray]]:
    """Checks a file and runs it on `arrays`, if there are any; or returns tensors of them.

    Those are its integer activations and its outputs, described by name, scale and zero point
    (`None` of what is not quantized as a whole).
    """
    import onnx

    if not trace:
        onnx.checker.check_model(path, full_check=True)
        if has_runtime():
            _run(OnnxRuntime(path), arrays)
        return None, []
    plain = OnnxRuntime(path)
    model = onnx.load(path)
    affines = _quantized(model)
    outputs = {output.name for output in model.graph.output}
    model.graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in affines if name not in outputs
    )
    shown = OnnxRuntime(model.SerializeToString())
    if len(arrays) != len(shown.inputs):
        raise ValueError(f"it has {len(shown.inputs)} inputs, not {len(arrays)}")
    inputs = [value.astype(dtype) for value, dtype in zip(arrays, shown.dtypes(), strict=True)]
    nothing = (None, None)
    described = [(name, *affines.get(name, nothing)) for name in shown.outputs]
    return [described, plain.outputs], shown(*inputs)


def _run(runtime: OnnxRuntime, arrays: list[np.ndarray]) -> None:
    if arrays:
        runtime(
            *(value.astype(dtype) for value, dtype in zip(arrays, runtime.dtypes(), strict=True))
        )


def _quantized(model: Any) -> dict[str, tuple[float | None, int | None]]:
    """Returns the names of the integer activations, with scale and zero point.

    Those are said by annotations, and in files of others by QuantizeLinear alone.
    """
    from onnx import numpy_helper

    constants = {each.name: each for each in model.graph.initializer}
    found: dict[str, tuple[float | None, int | None]] = {}
    for annotation in model.graph.quantization_annotation:
        names = [each.value for each in annotation.quant_parameter_tensor_names]
        scale, zero_point = (numpy_helper.to_array(constants[name]) for name in names)
        found[annotation.tensor_name] = float(scale), int(zero_point)
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            scale, zero_point = (numpy_helper.to_array(constants[name]) for name in node.input[1:3])
            is_known = zero_point.dtype in (np.int8, np.int16) and zero_point.ndim == 0
            found[node.output[0]] = (float(scale), int(zero_point)) if is_known else (None, None)
    return found
