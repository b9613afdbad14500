"""Exports small models of keras-hub with integers of other kinds than static int8.

A figure is the smallest cosine similarity of an output of a file to that of the converted model,
of LiteRT, ONNX and a SavedModel, and for inputs of two lengths where models take any. Weights and
inputs are random.

    python examples/benchmarks/hub_exports.py
"""

import argparse
import pathlib
import tempfile
from typing import Any

import hub_models
import keras
import results
import tensorflow as tf
from hub_coverage import cosine, outputs

import kerasopt as ko

MODELS = ("BERT", "GPT-2", "Llama", "T5", "ViT", "Swin")
GROUPS = ko.quantization.Format(4, symmetric=True)
# What is quantized, and what `ko.convert` makes of it.
SPECS: dict[str, tuple[Any, str]] = {
    "int16x8": ("int16x8", "int16x8"),
    "int8_weight_only": ("int8_weight_only", "int8_weight_only"),
    "int8_dynamic": ("int8_dynamic", "int8_dynamic"),
    "int4_groups": (ko.quantization.Spec(GROUPS, None, granularity=32), "int4_weight_only"),
}
COLUMNS = {
    "model": ("Model", ""),
    "int16x8": ("int16x8", ".5f"),
    "int8_weight_only": ("int8 weights", ".5f"),
    "int8_dynamic": ("int8, dynamic", ".5f"),
    "int4_groups": ("int4 weights, groups of 32", ".5f"),
}
OTHER = {"examples": 2, "length": 24}


def of_other_groups(layer: keras.layers.Layer) -> bool:
    """Whether the inputs of a layer are no multiple of 32: heads of 16 channels, and pixels."""
    kernel = getattr(layer, "kernel", None)
    return kernel is not None and len(kernel.shape) > 1 and kernel.shape[-2] % 32 != 0


def converted(model: keras.Model, x: Any, spec: str) -> keras.Model:
    quantized, target = SPECS[spec]
    rules = [(of_other_groups, "int8_weight_only")] if spec == "int4_groups" else []
    data = x if spec == "int16x8" else None
    return ko.convert(
        ko.quantize(model, quantized, calibration=data, rules=rules, verbose=0), target
    )


def smallest(model: keras.Model, inputs: list, folder: pathlib.Path) -> float:
    found = []
    for format, file in (("litert", "model.tflite"), ("onnx", "model.onnx")):
        ko.export(model, folder / file, format=format)
        for x in inputs:
            tensors = ko.compare(model, folder / file, x).tensors
            found += [each.cosine for each in tensors[-len(model.outputs) :]]
    ko.export(model, folder / "model", format="tf_saved_model", ops="portable")
    loaded = tf.saved_model.load(str(folder / "model"))
    for x in inputs:
        served = loaded.serve(keras.tree.map_structure(tf.constant, x))
        found.append(cosine(outputs(model, x), served))
    return float(min(found))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    results.add_output(parser, "keras_hub_exports")
    arguments = parser.parse_args()
    rows = {}
    for name in MODELS:
        model = hub_models.built(name)
        inputs = [hub_models.inputs_of(name, model, **sizes) for sizes in ({}, OTHER)]
        rows[name] = {"model": name}
        for spec in SPECS:
            with tempfile.TemporaryDirectory() as folder:
                made = converted(model, inputs[0], spec)
                rows[name][spec] = smallest(made, inputs, pathlib.Path(folder))
    results.write(arguments.output, COLUMNS, rows)


if __name__ == "__main__":
    main()
