import copy
import inspect
import pickle
import warnings

import keras
import numpy as np
import pytest
from keras import layers

import kerasopt as ko
from kerasopt import graph
from kerasopt.parametrization import links_of
from kerasopt.quantization import (
    ActivationQuantizer,
    BinaryWeight,
    DynamicQuantizer,
    LSQActivation,
    LSQWeight,
    WeightQuantizer,
)
from kerasopt.sparsity import Mask

LAYERS = {
    "Dense": ((4,), ([3], {"activation": "relu"})),
    "Conv2D": ((5, 5, 2), ([3, 2], {"padding": "same"})),
    "DepthwiseConv2D": ((5, 5, 2), ([2], {"depth_multiplier": 2})),
    "EinsumDense": ((4,), (["ab,bc->ac", 3], {"bias_axes": "c"})),
    "Embedding": ((4,), ([6, 3], {})),
    "Conv1D": ((6, 2), ([3, 2], {})),
    "Conv3D": ((4, 4, 4, 2), ([3, 2], {})),
    "Conv1DTranspose": ((6, 2), ([3, 2], {})),
    "Conv2DTranspose": ((5, 5, 2), ([3, 2], {})),
    "Conv3DTranspose": ((3, 3, 3, 2), ([2, 2], {})),
    "DepthwiseConv1D": ((6, 2), ([2], {})),
    "SeparableConv1D": ((6, 2), ([3, 2], {})),
    "SeparableConv2D": ((5, 5, 2), ([3, 2], {})),
    "LSTM": ((5, 3), ([4], {"return_sequences": True})),
    "GRU": ((5, 3), ([4], {})),
    "SimpleRNN": ((5, 3), ([4], {})),
    "MultiHeadAttention": ((5, 4), ([2, 3], {})),
    "GroupQueryAttention": ((5, 4), ([3, 4, 2], {})),
}
# Layers that are made of others, which hold the weights.
COMPOSITE = ("LSTM", "GRU", "SimpleRNN", "MultiHeadAttention", "GroupQueryAttention")
INPUT = "input_quantizer"
DECLARED = {
    "weight_quantizer": "int8",
    INPUT: "int8",
    "output_quantizer": "int8",
    "pruning": 0.5,
}


def declared(name):
    """Returns all that a layer can declare; indices are not quantized."""
    return {key: DECLARED[key] for key in DECLARED if (name, key) != ("Embedding", INPUT)}


def make(module, name, **arguments):
    shape, (args, kwargs) = LAYERS[name]
    keras.utils.set_random_seed(0)
    inputs = keras.Input(shape, dtype="int32" if name == "Embedding" else "float32")
    layer = getattr(module, name)(*args, **kwargs, **arguments, name="layer")
    x = layer(inputs, inputs) if name.endswith("Attention") else layer(inputs)
    model = keras.Model(inputs, layers.Dense(2, name="top")(layers.Flatten()(x)), name=name)
    model.compile("adam", "mse", run_eagerly=keras.config.backend() == "tensorflow")
    return model


def data(model):
    generator = np.random.default_rng(0)
    shape = (8, *model.input.shape[1:])
    if model.name == "Embedding":
        return generator.integers(0, 6, shape), generator.normal(size=(8, 2))
    return generator.normal(size=shape).astype("float32"), generator.normal(size=(8, 2))


def fit(model, *callbacks):
    keras.utils.set_random_seed(1)
    x, y = data(model)
    model.fit(x, y, batch_size=4, epochs=2, verbose=0, callbacks=[*callbacks])
    return model


@pytest.mark.parametrize("name", LAYERS)
def test_a_model_built_with_them_equals_the_one_that_callbacks_compress(name):
    arguments, spec = declared(name), "int8"
    if name in COMPOSITE:
        # Callbacks round the inputs of projections, these layers the input of the whole.
        arguments, spec = {"weight_quantizer": "int8", "pruning": 0.5}, "int8_weight_only"
    drop_in = fit(make(ko.layers, name, **arguments), ko.callbacks.Compression(begin="30%"))
    attached = fit(
        make(layers, name),
        ko.callbacks.Pruning(0.5, rules=[("layer*", 0.5), ("*", None)]),
        ko.callbacks.QuantizationAware(begin="30%", rules=[("layer*", spec), ("*", None)]),
    )
    x, _ = data(drop_in)
    np.testing.assert_array_equal(drop_in(x), attached(x))
    for a, b in zip(drop_in.weights, attached.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)


@pytest.mark.parametrize("name", COMPOSITE)
def test_a_layer_that_is_made_of_others_declares_for_them(name, tmp_path):
    arguments = dict.fromkeys(("weight_quantizer", INPUT), "binary")
    model = fit(make(ko.layers, name, **arguments), ko.callbacks.Compression())
    layer = model.get_layer("layer")
    kernels = [part.kernel.numpy() for _, part in layer.parts()]
    assert kernels
    for kernel in kernels:
        scales = np.unique(np.abs(kernel))
        assert len(scales) < kernel.size / 2
    (entry,) = layer.parametrizations["input"]
    assert bool(entry.enabled.value)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x, _ = data(model)
    np.testing.assert_array_equal(loaded(x), model(x))
    ko.finalize(model, verbose=False)
    assert type(model.get_layer("layer")) is getattr(layers, name)


def test_learned_scales_are_declared():
    quantizers = {"weight_quantizer": LSQWeight(), INPUT: LSQActivation()}
    model = make(ko.layers, "Dense", **quantizers)
    fit(model, ko.callbacks.Compression(begin="30%"))
    layer = model.get_layer("layer")
    assert type(model.optimizer) is keras.optimizers.Adam
    ((weight,), (entry,)) = layer.parametrizations["kernel"], layer.parametrizations["input"]
    assert (np.array(weight.step.value()) != 1).all() and float(entry.step.value()) != 1


@pytest.mark.parametrize("alias", ["binary", "ternary", "int4", "int8_dynamic", "bfloat16"])
def test_any_spec_is_declared(alias):
    # Of rows no more is rounded than what a dense layer reads.
    left_out = {"pruning", "output_quantizer"} if alias == "int8_dynamic" else {"pruning"}
    declarations = dict.fromkeys((*DECLARED.keys() - left_out,), alias)
    drop_in = fit(make(ko.layers, "Dense", **declarations), ko.callbacks.Compression())
    only = [("layer", alias), ("*", None)]
    attached = fit(make(layers, "Dense"), ko.callbacks.QuantizationAware(rules=only))
    x, _ = data(drop_in)
    np.testing.assert_array_equal(drop_in(x), attached(x))


def test_quantizers_with_arguments_are_declared():
    weight, activation = BinaryWeight(gradient="approximate"), DynamicQuantizer(per="tensor")
    model = make(ko.layers, "Dense", weight_quantizer=weight, input_quantizer=activation)
    layer = keras.models.clone_model(model).get_layer("layer")
    (weight,) = layer.parametrizations["kernel"]
    (activation,) = layer.parametrizations["input"]
    assert weight.gradient == "approximate" and activation.per == "tensor"


@pytest.mark.parametrize("name", LAYERS)
def test_without_declarations_it_is_the_layer_of_keras(name):
    plain, drop_in = fit(make(layers, name)), fit(make(ko.layers, name))
    x, _ = data(plain)
    np.testing.assert_array_equal(plain(x), drop_in(x))
    assert isinstance(drop_in.get_layer("layer"), getattr(layers, name))
    config = drop_in.get_layer("layer").get_config()
    assert config == plain.get_layer("layer").get_config()


@pytest.mark.parametrize("name", sorted(LAYERS.keys() - set(COMPOSITE)))
def test_declarations_are_on_the_layer_and_in_its_config(name):
    layer = make(ko.layers, name, **declared(name)).get_layer("layer")
    weights = graph.weight_names(layer)
    for weight in weights:
        assert [type(link) for link in layer.parametrizations[weight]] == [Mask, WeightQuantizer]
    for slot in layer.parametrizations.keys() - set(weights):
        assert [type(link) for link in layer.parametrizations[slot]] == [ActivationQuantizer]
    assert layer.pruning.final == 0.5 and layer.weight_quantizer.weights.bits == 8


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_of_a_file_has_the_chains_of_the_file(name):
    layer = make(ko.layers, name, **declared(name)).get_layer("layer")
    config = keras.saving.serialize_keras_object(layer)
    assert config["config"]["parametrizations"]
    loaded = keras.saving.deserialize_keras_object(config)
    assert keras.saving.serialize_keras_object(loaded) == config


@pytest.mark.parametrize("name", ko.layers.__all__)
def test_the_signature_is_that_of_keras_and_what_can_be_declared(name):
    parameters = inspect.signature(getattr(ko.layers, name)).parameters
    plain = inspect.signature(getattr(layers, name)).parameters
    assert [each for each in parameters if each in plain] == list(plain)
    assert all(parameters[each] == plain[each] for each in plain)
    assert parameters.keys() - plain.keys() == DECLARED.keys()
    assert all(parameters[each].kind is inspect.Parameter.KEYWORD_ONLY for each in DECLARED)


def test_a_subclass_has_a_signature_and_a_config_of_its_own():
    class Scaled(ko.layers.Dense):
        def __init__(self, units, scale, **kwargs):
            super().__init__(units, **kwargs)
            self.scale = scale

    class Renamed(ko.layers.Dense):
        pass

    assert list(inspect.signature(Scaled).parameters) == ["units", "scale", "kwargs"]
    # Not of the class: Python 3.11.2 takes that of Keras' `__new__`.
    assert inspect.signature(Renamed.__init__) == inspect.signature(ko.layers.Dense.__init__)
    layer = Scaled(3, scale=2.0, pruning=0.5)
    assert layer.units == 3 and layer.pruning.final == 0.5
    assert Renamed.from_config(Renamed(3, pruning=0.5).get_config()).pruning.final == 0.5


def test_until_the_callback_moves_it_it_computes_as_the_layer_of_keras():
    plain, drop_in = make(layers, "Dense"), make(ko.layers, "Dense", **DECLARED)
    x, _ = data(plain)
    np.testing.assert_array_equal(plain(x), drop_in(x))


def test_fit_without_the_callback_warns_and_trains_a_plain_layer():
    plain, drop_in = fit(make(layers, "Dense")), make(ko.layers, "Dense", **DECLARED)
    with pytest.warns(UserWarning, match=r"'layer' declares compression, but no callback"):
        fit(drop_in)
    x, _ = data(plain)
    np.testing.assert_array_equal(plain(x), drop_in(x))


def test_with_the_callback_nothing_warns(recwarn):
    fit(make(ko.layers, "Dense", **DECLARED), ko.callbacks.Compression())
    assert not [w for w in recwarn if "declares compression" in str(w.message)]


def test_layers_that_declare_one_schedule_share_a_scope():
    schedule = ko.schedules.Constant(0.5)
    inputs = keras.Input((8,))
    small = ko.layers.Dense(4, pruning=schedule, name="small")
    large = ko.layers.Dense(4, pruning=schedule, name="large")
    model = keras.Model(inputs, small(inputs) + large(inputs))
    model.compile("sgd", "mse")
    small.kernel.assign(np.full((8, 4), 0.01))
    large.kernel.assign(np.full((8, 4), 1.0))
    x = np.zeros((4, 8))
    model.fit(x, x[:, :4], verbose=0, callbacks=[ko.callbacks.Compression(scope="global")])
    assert (small.kernel.numpy() == 0).all() and (large.kernel.numpy() == 1).all()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"pruning": 1.0}, "weights that are zero"),
        ({"pruning": "half"}, "Received: schedule='half'"),
        ({"weight_quantizer": "int3"}, r"'int8', .*\]. Received: spec='int3'"),
    ],
)
def test_declarations_out_of_range_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        ko.layers.Dense(3, **arguments)


def test_indices_are_not_quantized():
    with pytest.raises(
        ValueError, match="do not pass `input_quantizer`. Received: input_quantizer"
    ):
        ko.layers.Embedding(8, 3, input_quantizer="int8")


@pytest.mark.parametrize("mode", ["int8", "int4"])
@pytest.mark.parametrize("name", ["Dense", "EinsumDense", "Embedding", "MultiHeadAttention"])
def test_keras_quantizes_them_as_its_own(name, mode):
    drop_in, plain = make(ko.layers, name), make(layers, name)
    with warnings.catch_warnings():  # of the layers that Keras does not quantize
        warnings.simplefilter("ignore")
        drop_in.quantize(mode)
        plain.quantize(mode)
    for a, b in zip(drop_in.weights, plain.weights, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
    x, _ = data(plain)
    np.testing.assert_array_equal(drop_in(x), plain(x))


def test_keras_quantizes_none_that_declares_something():
    with pytest.raises(ValueError, match=r"Call `kerasopt.finalize\(model\)` before"):
        make(ko.layers, "Dense", pruning=0.5).quantize("int8")
    with pytest.raises(
        ValueError, match=r"'layer', which is compressed by kerasopt. Call `kerasopt.finalize`"
    ):
        make(ko.layers, "Dense", pruning=0.5).get_layer("layer").quantize("int8")
    model = ko.finalize(make(ko.layers, "Dense", pruning=0.5), verbose=False)
    model.get_layer("layer").quantize("int8")
    assert model.get_layer("layer").kernel.dtype == "int8"


@pytest.mark.parametrize("name", ["Dense", "EinsumDense", "Embedding", "MultiHeadAttention"])
def test_a_dtype_by_which_keras_quantizes_leaves_nothing_to_declare(name):
    make(ko.layers, name, dtype="int8_from_float32")
    with pytest.raises(
        ValueError, match="'layer' has a quantized dtype policy.*dtype=int8_from_float32, pruning"
    ):
        make(ko.layers, name, dtype="int8_from_float32", pruning=0.5)


@pytest.mark.parametrize("arguments", [{}, {"pruning": 0.5}, {"weight_quantizer": "int8"}])
def test_the_class_of_a_built_layer_makes_others(arguments):
    layer = ko.layers.Dense(4, **arguments)
    layer(np.ones((1, 8), "float32"))
    made = [
        type(layer)(4, **arguments),
        type(layer).from_config(layer.get_config()),
        copy.deepcopy(layer),
        pickle.loads(pickle.dumps(layer)),
    ]
    for other in made:
        other(np.ones((1, 8), "float32"))
        assert isinstance(other, ko.layers.Dense)
        assert (other.pruning is None) == (layer.pruning is None)
        links, found = (links_of(each, "kernel") for each in (layer, other))
        assert list(map(type, found)) == list(map(type, links))
        assert found != links or not links
    for other in made[2:]:
        np.testing.assert_array_equal(other.kernel, layer.kernel)


@pytest.mark.parametrize("arguments", [{}, {"pruning": 0.5}])
def test_an_embedding_begins_with_weights(arguments):
    table = np.arange(12.0).reshape(4, 3)
    layer = ko.layers.Embedding(4, 3, weights=table, **arguments)
    np.testing.assert_array_equal(layer(np.arange(4)), table)
    assert graph.slots_of(layer) == (("embeddings",) if arguments else ())


def test_finalize_keeps_a_class_of_the_users_own():
    class Own(ko.layers.Dense):
        def call(self, inputs):
            return 2 * super().call(inputs)

    layer = Own(3, pruning=0.5)
    x = np.ones((1, 4))
    before = layer(x)
    assert type(ko.finalize(layer, verbose=False)) is Own
    np.testing.assert_array_equal(layer(x), before)
