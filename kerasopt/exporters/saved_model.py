"""The SavedModel format: folders for TensorFlow."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import keras

from kerasopt import graph
from kerasopt.exporters.names import is_nested, output_names
from kerasopt.inference import InferenceLayer
from kerasopt.keras_internals.saving import get_input_signature, track_backend_variables
from kerasopt.ops import native

OPS = ("native", "portable")


def write(model: keras.Model, path: Path, ops: str = "native") -> None:
    """Writes a SavedModel and runs it once; see `kerasopt.export`.

    Its endpoint is `serve`, which is the signature `serving_default` too. The batch size is
    dynamic, and so is every size that is `None` in the model. The weights of a layer are one
    variable, in the one order that the native kernels of all instruction sets read.

    With `ops="native"` the native library has to be loaded before the SavedModel is
    (`kerasopt.ops.native` says how); without it TensorFlow raises `Op type not registered
    'KerasoptQuantize'`, or another op. With `ops="portable"` nothing is needed but TensorFlow.
    """
    if ops not in OPS:
        raise ValueError(f"`ops` must be one of {OPS}. Received: ops={ops!r}")
    if ops == "native":
        _require_library(model)
    signature = get_input_signature(model)
    with native.left_out() if ops == "portable" else contextlib.nullcontext():
        try:
            _export(model, path, _opened(model, signature))
        except Exception:  # whatever code raises that needs the sizes
            _export(model, path, signature)
    _run_once(path)


def _opened(model: keras.Model, signature: Any) -> Any:
    """Returns what a subclassed model takes, with the sizes and dtypes that its code says.

    Keras knows the shapes of one call only.
    """
    import tensorflow as tf

    if graph.functional_of(model) is not None:
        return signature
    try:
        with graph.recorded(model) as functional:
            inputs = functional.input if len(signature) > 1 else [functional.input]
    except ValueError:
        return signature
    return keras.tree.map_structure(
        lambda spec, tensor: tf.TensorSpec(tensor.shape, tensor.dtype, spec.name),
        list(signature),
        inputs,
    )


def _export(model: keras.Model, path: Path, signature: Any) -> None:
    archive = keras.export.ExportArchive()
    archive.track(model)

    def serve(*args):
        # Some layers augment unless they are told not to.
        outputs = model(*args, training=False)
        if is_nested(outputs):  # which TensorFlow does not serve
            return dict(zip(output_names(outputs), keras.tree.flatten(outputs), strict=True))
        return outputs

    archive.add_endpoint("serve", serve, signature)
    track_backend_variables(archive)
    archive.write_out(str(path), verbose=False)


def _require_library(model: keras.Model) -> None:
    has_own_ops = any(isinstance(layer, InferenceLayer) for _, layer in graph.layers(model))
    if has_own_ops and native.load() is None:
        raise ValueError(
            "The native library cannot be used here, because it was not built, was built for "
            "another TensorFlow, is switched off by `KERASOPT_NATIVE=0`, or a GPU is visible. "
            "Export with ops='portable', or install kerasopt where there is a C++ compiler. "
            "Received: ops='native'"
        )


def _run_once(path: Path) -> None:
    """Loads a SavedModel and runs it on zeros, if all sizes but the batch's are known."""
    import tensorflow as tf

    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    _, inputs = serve.structured_input_signature
    shapes = {name: [1, *spec.shape[1:]] for name, spec in inputs.items()}
    if not any(None in shape for shape in shapes.values()):
        serve(**{name: tf.zeros(shape, inputs[name].dtype) for name, shape in shapes.items()})
