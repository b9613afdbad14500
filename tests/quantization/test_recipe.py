import numpy as np
import pytest
from keras import layers

from kerasopt.quantization import (
    ActivationQuantizer,
    BinaryActivation,
    BinaryWeight,
    Cast,
    DynamicQuantizer,
    Format,
    MinMax,
    Spec,
    TernaryWeight,
    WeightQuantizer,
    make_recipe,
    specs,
)

KINDS = {
    "int8": (WeightQuantizer, ActivationQuantizer),
    "int8_dynamic": (WeightQuantizer, DynamicQuantizer),
    "int8_weight_only": (WeightQuantizer, None),
    "int16x8": (WeightQuantizer, ActivationQuantizer),
    "int4": (WeightQuantizer, ActivationQuantizer),
    "int4_weight_only": (WeightQuantizer, None),
    "ternary": (TernaryWeight, ActivationQuantizer),
    "ternary_weight_only": (TernaryWeight, None),
    "binary": (BinaryWeight, BinaryActivation),
    "binary_int8": (BinaryWeight, ActivationQuantizer),
    "binary_weight_only": (BinaryWeight, None),
    "float16": (Cast, Cast),
    "bfloat16": (Cast, Cast),
}


def dense():
    layer = layers.Dense(3)
    layer.build((None, 8))
    return layer


@pytest.mark.parametrize("alias", specs.ALIASES)
def test_every_spec_has_its_quantizers(alias):
    recipe = make_recipe(alias)
    weight, activation = recipe.weight(dense(), "kernel"), recipe.activation()
    assert KINDS[alias] == tuple(None if q is None else type(q) for q in (weight, activation))
    assert weight.format == recipe.spec.weights
    assert activation is None or activation.format == recipe.spec.activations


@pytest.mark.parametrize(
    "layer, shape, name, channels",
    [
        (layers.Dense(5), (None, 3), "kernel", (5,)),
        (layers.Conv2D(5, 2), (None, 4, 4, 3), "kernel", (5,)),
        (layers.Conv2DTranspose(5, 2), (None, 4, 4, 3), "kernel", (5,)),
        (layers.DepthwiseConv2D(2, depth_multiplier=2), (None, 4, 4, 3), "kernel", (3, 2)),
        (layers.SeparableConv2D(5, 2), (None, 4, 4, 3), "depthwise_kernel", (3, 1)),
        (layers.SeparableConv2D(5, 2), (None, 4, 4, 3), "pointwise_kernel", (5,)),
        (layers.EinsumDense("ab,bcd->acd", (2, 5)), (None, 3), "kernel", (2, 5)),
        (layers.Embedding(7, 3), (None, 3), "embeddings", (7,)),
    ],
)
def test_every_output_channel_has_its_scale(layer, shape, name, channels):
    layer.build(shape)
    quantizer = make_recipe(Spec()).weight(layer, name)
    assert tuple(getattr(layer, name).shape[axis] for axis in quantizer.axis) == channels


def scales(layer, shape, name, granularity):
    layer.build(shape)
    quantizer = make_recipe(Spec(granularity=granularity)).weight(layer, name)
    weight = getattr(layer, name)
    quantizer.build(weight.shape)
    values = np.random.default_rng(0).normal(size=weight.shape).astype("float32")
    _, scale, _ = quantizer.codes(values)
    return np.unique(scale).size


def test_granularity():
    assert scales(layers.Dense(3), (None, 8), "kernel", "channel") == 3
    assert scales(layers.Dense(3), (None, 8), "kernel", "tensor") == 1
    assert scales(layers.Dense(3), (None, 8), "kernel", 4) == 6
    assert scales(layers.Conv2D(5, 2), (None, 4, 4, 8), "kernel", 4) == 10
    assert scales(layers.Embedding(7, 6), (None, 3), "embeddings", 2) == 21
    # There is no input axis along which to cut.
    assert scales(layers.DepthwiseConv2D(2), (None, 4, 4, 8), "kernel", 4) == 8


def test_arguments_of_prototypes_and_observers_are_passed_on():
    weight, activation = BinaryWeight(gradient="approximate"), ActivationQuantizer()
    recipe = make_recipe("binary_int8", weight, activation, MinMax())
    made = [recipe.activation() for _ in range(2)]
    assert recipe.weight(dense(), "kernel").gradient == "approximate"
    assert all(isinstance(quantizer.observer, MinMax) for quantizer in made)
    assert made[0].observer is not made[1].observer


def test_groups_that_do_not_divide_raise():
    recipe = make_recipe(Spec(Format(4, symmetric=True), granularity=3))
    with pytest.raises(ValueError, match="do not divide the 8 inputs of 'kernel' of layer 'dense"):
        recipe.weight(dense(), "kernel")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("int8", "binary"), r"binary `Format` \(1 bit\). Received: format="),
        (("binary", "minmax"), "2 bits or more. Received: format="),
        (("int8", None, "binary"), r"binary `Format` \(1 bit\). Received: format="),
        (("int8_dynamic", None, "minmax"), "do not pass it. Received: spec="),
    ],
)
def test_a_quantizer_that_cannot_round_to_the_format_raises(arguments, message):
    spec, *how = arguments
    with pytest.raises(ValueError, match=message):
        make_recipe(spec, *how)
