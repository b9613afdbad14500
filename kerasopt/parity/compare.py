"""Compares two models tensor by tensor."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import keras

from kerasopt.graph import Graph
from kerasopt.parity.keras_model import TracedModel
from kerasopt.parity.report import ParityReport
from kerasopt.parity.tensor_parity import TensorParity
from kerasopt.parity.trace import Trace


def compare(
    first: keras.Model | str | os.PathLike,
    second: keras.Model | str | os.PathLike,
    data: Any,
    isolated: bool = False,
) -> ParityReport:
    """Compares two models, tensor by tensor.

    The models may be float, quantization-aware or integer models, in memory or in a `.keras` file;
    a `.tflite` file, which runs in LiteRT with XNNPACK; or an `.onnx` file, which runs in
    onnxruntime. Tensors of the same name are compared, dequantized; layers keep their names through
    `kerasopt.convert` and `kerasopt.export`. Outputs are always compared, in their order.

    ```python
    int8 = ko.convert(ko.quantize(model, "int8", calibration=x), "int8")
    report = ko.compare(model, int8, x_test[:100])
    print(report)                 # a table
    print(report.first_parting)   # the first tensor that differs
    report.plot("parity.png")
    ```

    Args:
        first: A `keras.Model`, or the path of a file.
        second: The same.
        data: A batch of inputs for the model's `call`.
        isolated: Whether each layer of `first`, a Keras model, reads the tensors of `second`
            instead of its own, so that differences do not accumulate: each difference is due to one
            layer.

    Returns:
        A `ParityReport`.

    Raises:
        TypeError: If a model is neither a `keras.Model` nor a path.
        ValueError: If a file has an unsupported format or is damaged, or the models have no tensor
            in common.
        FileNotFoundError: If there is no such file.
        ImportError: If onnxruntime (or matplotlib, for the plot) is not installed.
    """
    right = _trace(second, data)
    if isolated:
        model = _loaded(first)
        if not isinstance(model, keras.Model) or not Graph.of(model).nodes:
            raise ValueError(
                "With isolated=True `first` must be a model whose layers can be called one by "
                "one: a functional or Sequential model, or one whose `call` is made of layers and "
                f"`keras.ops`. Received: first={first}"
            )
        left = TracedModel(model).run_isolated(data, right)
    else:
        left = _trace(first, data)
    rows = [
        TensorParity.of(name, left.tensors[name], right.tensors[other])
        for name, other in _pairs(left, right).items()
    ]
    if not rows:
        raise ValueError(
            "The models have no tensor of the same name and size. "
            f"Received: first has {list(left.tensors)[:5]}, second has {list(right.tensors)[:5]}"
        )
    return ParityReport(_name(first), _name(second), tuple(rows))


def _pairs(left: Trace, right: Trace) -> dict[str, str]:
    """Returns the pairs of tensors to compare: by name, and outputs in order."""
    found = {name: right.find(name, tensor, left) for name, tensor in left.tensors.items()}
    pairs = {name: other for name, other in found.items() if other is not None}
    if len(left.outputs) == len(right.outputs):
        for name, other in zip(left.outputs, right.outputs, strict=True):
            ours, theirs = left.tensors.get(name), right.tensors.get(other)
            if ours is not None and theirs is not None and ours.values.size == theirs.values.size:
                pairs[name] = other
    return pairs


def _trace(source: Any, data: Any) -> Trace:
    model = _loaded(source)
    if isinstance(model, keras.Model):
        return TracedModel(model).run(data)
    if model.suffix == ".tflite":
        from kerasopt.parity.litert_file import trace_litert

        return trace_litert(model, data)
    from kerasopt.parity.onnx_file import trace_onnx

    return trace_onnx(model, data)


def _loaded(source: Any) -> keras.Model | Path:
    """Returns a Keras model, or the path of a file of another runtime."""
    if isinstance(source, keras.Model):
        return source
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(
            "A model must be a `keras.Model` or the path of a file. "
            f"Received: {source!r} (of type {type(source).__name__})"
        )
    path = Path(source)
    if path.suffix not in (".keras", ".tflite", ".onnx"):
        raise ValueError(
            "A file must end in `.keras`, `.tflite` or `.onnx`. Received: " + repr(str(path))
        )
    if not path.exists():
        raise FileNotFoundError(f"There is no such file. Received: {str(path)!r}")
    if path.suffix != ".keras":
        return path
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:  # of any class, depending on the damage
        raise ValueError(
            f"Keras cannot load {str(path)!r}; it may be damaged, or contain unregistered classes: "
            f"{type(error).__name__}: {error}"
        ) from error


def _name(source: Any) -> str:
    return source.name if isinstance(source, keras.Model) else Path(source).name
