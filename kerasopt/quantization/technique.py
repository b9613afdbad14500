"""Quantization as a technique."""

import keras

from kerasopt import graph
from kerasopt.parametrization import find_link, links_by_slot
from kerasopt.quantization import specs
from kerasopt.quantization.measurement import measure_weight
from kerasopt.quantization.quantization_run import QuantizationRun
from kerasopt.quantization.quantizer import Quantizer
from kerasopt.quantization.recipe import Recipe, make_recipe
from kerasopt.quantization.site import Site
from kerasopt.quantization.specs import Spec
from kerasopt.quantization.summaries import RoundingSummaries
from kerasopt.quantization.weights import WeightQuantizer
from kerasopt.schedules.times import validate_time
from kerasopt.training.declaring import declaring_parts
from kerasopt.training.technique import Technique, register_technique

# A column of `kerasopt.summary`.
SQNR = "SQNR (dB)"


def _resolved(identifier):
    """Returns a `Spec`, or a quantizer's config, since the layer must not track a quantizer."""
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, Quantizer):
        return keras.saving.serialize_keras_object(identifier)
    return specs.get(identifier)


def _recipe(declared):
    """Returns the recipe for the declaration of a layer, for its weights or an activation."""
    if declared is None:
        return Recipe(Spec(None, None))
    if isinstance(declared, Spec):
        return Recipe(declared)
    quantizer = keras.saving.deserialize_keras_object(dict(declared))
    if isinstance(quantizer, WeightQuantizer):
        return Recipe(Spec(quantizer.format, None), weights=quantizer)
    return Recipe(Spec(None, quantizer.format), activations=quantizer)


@register_technique
class QuantizationTechnique(Technique):
    arguments = dict.fromkeys(
        ("weight_quantizer", "input_quantizer", "output_quantizer"), _resolved
    )
    description = """\
weight_quantizer: For the weights: a `kerasopt.quantization.Spec` or its
    alias, such as `"int8"` or `"binary"`; or a quantizer of weights,
    such as `kerasopt.quantization.DoReFaWeight()`. Defaults to `None`:
    not quantized.
input_quantizer: The same for the input, with quantizers of activations.
output_quantizer: The same for the output."""
    options = {"begin": "0%", "freeze": None}

    def links(self, layer, parts, declared):
        weights = _recipe(declared.get("weight_quantizer"))
        quantizers = [
            (path + name, weights.weight(part, name, enabled=False))
            for path, part in parts
            for name in graph.weight_names(part)
        ]
        output = declared.get("output_quantizer")
        slots = [("input", declared.get("input_quantizer")), ("output", output)]
        # Intermediate tensors are rounded like the output.
        if isinstance(layer, (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)):
            slots.append(("between", output))
        if graph.has_kernel(layer) and graph.activation_bounds(layer) is None:
            slots.append(("pre_activation", output))
        quantizers += [(slot, _recipe(each).activation(enabled=False)) for slot, each in slots]
        return (placed for placed in quantizers if placed[1] is not None)

    def run(self, begin, freeze):
        begin = validate_time(begin, "begin")
        freeze = None if freeze is None else validate_time(freeze, "freeze")
        return DeclaredQuantization(
            make_recipe("int8", None, None, "moving_average"), begin, freeze
        )

    def summaries(self):
        return RoundingSummaries()

    def figures(self, layer):
        quantizers = [
            (name, find_link(layer, name, Quantizer)) for name in graph.weight_names(layer)
        ]
        ratios = [
            measure_weight(layer, name, link).sqnr
            for name, link in quantizers
            if link is not None and link.is_enabled
        ]
        return {SQNR: min(ratios)} if ratios else {}


class DeclaredQuantization(QuantizationRun):
    """Runs the quantizers of the layers that declare them."""

    def sites(self, model):
        return [
            Site(path, part, slot, link)
            for path, _, part in declaring_parts(model, whole=True)
            for slot, link in links_by_slot(part, Quantizer)
        ]
