"""Models as files for other runtimes."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras

from kerasopt.exporters.aside import written_aside
from kerasopt.exporters.computed_shapes import shaped_as_computed
from kerasopt.exporters.open_time import steps_as_examples
from kerasopt.exporters.parts import ShapeMismatch
from kerasopt.graph import require_built
from kerasopt.parametrization import links_of_model
from kerasopt.quantization import Quantizer


class _Format(NamedTuple):
    """How a format is written: `module.write(model, path, **options)`."""

    module: str
    suffix: str = ""  # without one, a folder is written


_FORMATS = {
    "litert": _Format("kerasopt.exporters.litert", ".tflite"),
    "onnx": _Format("kerasopt.exporters.onnx", ".onnx"),
    "tf_saved_model": _Format("kerasopt.exporters.saved_model"),
}


def export(
    model: keras.Model, path: str | os.PathLike, format: str = "litert", **options: Any
) -> None:
    """Exports a model to a file that another runtime reads.

    | format | what is written | options |
    | --- | --- | --- |
    | `"litert"` | a `.tflite` file for LiteRT | `io_dtype`, `dynamic_range`, `flex` |
    | `"onnx"` | an `.onnx` file with QuantizeLinear and DequantizeLinear pairs | `opset` |
    | `"tf_saved_model"` | a folder for TensorFlow | `ops` |

    The integers of the model are written as they are: kernels, biases, scales and zero points,
    so that what runs there is what `kerasopt.convert` returned. What computes in float32 in the
    model does so in the file.

    The file is written aside, run once, and renamed at the end: if anything fails, a file that was
    there before is still there, whole. (A SavedModel of images of unknown size is only loaded.)
    Where a layer declares another shape than it computes, the file has what it computes, and a
    warning says so.

    Example:

    ```python
    int8 = ko.convert(ko.quantize(model, "int8", calibration=x), "int8")
    ko.export(int8, "model.tflite", format="litert", io_dtype="int8")
    ```

    Args:
        model: A `keras.Model`, from `kerasopt.convert` or plain.
        path: String or `os.PathLike`: a file that ends in `.tflite` or `.onnx`, or the folder of a
            SavedModel. Its directory exists.
        format: `"litert"`, `"onnx"` or `"tf_saved_model"`.
        **options: `io_dtype`: `"float32"` (the default) or `"int8"`, what inputs and outputs are.
            `dynamic_range`: whether float layers that hold int8 kernels (of the specs
            `"int8_weight_only"` and `"int8_dynamic"`) quantize their inputs to int8 dynamically, or
            have the kernels dequantized (`False`, the default). `flex`: whether the file may have
            operators of TensorFlow where LiteRT has none, for runtimes that are built with them; it
            is not run. `opset`: the version of ONNX'
            operators. `ops`: `"native"` (the default) for kerasopt's own TensorFlow ops, or
            `"portable"` for TensorFlow's alone, which any TensorFlow loads and which compute the
            same, slower. Before a SavedModel with the native ones is loaded, the library has to be:
            see `kerasopt.ops.native`.

    Raises:
        TypeError: If `model` is not a Keras model, or the format does not have an option.
        ValueError: If the model is not built, has quantizers that are not converted, or `format`,
            the ending of `path` or an option is none of the above; if Keras' backend is not
            TensorFlow; for `ops="native"` without the native library.
        FileNotFoundError: If the directory of `path` does not exist.
        FileExistsError: If a SavedModel would replace something else.
        ImportError: If the format needs a package that is not installed.
    """
    require_built(model)
    _require_converted(model)
    if format not in _FORMATS:
        raise ValueError(f"`format` must be one of {sorted(_FORMATS)}. Received: format={format!r}")
    chosen = _FORMATS[format]
    if Path(path).suffix != chosen.suffix and chosen.suffix:
        raise ValueError(
            f"`path` must end in `{chosen.suffix}` for format={format!r}. "
            f"Received: path={str(path)!r}"
        )
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Models are exported under Keras' TensorFlow backend: write this one with "
            "`kerasopt.save`, and read it with `keras.models.load_model` in a process that has "
            "the environment variable `KERAS_BACKEND=tensorflow`. "
            f"Received: format={format!r} under KERAS_BACKEND={keras.backend.backend()}"
        )
    write = importlib.import_module(chosen.module).write
    _require_known(options, write, format)
    aside = written_aside(path, is_folder=not chosen.suffix)
    with aside as written, steps_as_examples(model):
        try:
            write(model, written, **options)
        except ShapeMismatch as mismatch:
            with shaped_as_computed(model, mismatch) as corrected:
                write(corrected, written, **options)


def _require_known(options: dict[str, Any], write: Callable[..., None], format: str) -> None:
    known = list(inspect.signature(write).parameters)[2:]
    for name in options.keys() - known:
        raise TypeError(
            f"format={format!r} has the options {known}. Received: {name}={options[name]!r}"
        )


def _require_converted(model: keras.Model) -> None:
    quantized = sorted({each.path for each in links_of_model(model, Quantizer)})
    if quantized:
        raise ValueError(
            "The model has quantizers: call `kerasopt.convert` for integers, or "
            "`kerasopt.finalize` for float weights without them, and export what it returns. "
            f"Received: model={model.name} with quantizers on {quantized}"
        )
