import keras
import numpy as np
import pytest
from keras import layers

import kerasopt as ko

CASES = {
    "Dense": ((8,), lambda: layers.Dense(12, name="layer")),
    "EinsumDense": ((5, 8), lambda: layers.EinsumDense("abc,cd->abd", (5, 12), name="layer")),
    "Conv2D": ((6, 6, 4), lambda: layers.Conv2D(8, 3, name="layer")),
    "Embedding": ((5,), lambda: layers.Embedding(20, 8, name="layer")),
    "drop_in": ((8,), lambda: ko.layers.Dense(12, name="layer")),
}


def make(case):
    shape, create = CASES[case]
    keras.utils.set_random_seed(0)
    inputs = keras.Input(shape, dtype="int32" if case == "Embedding" else "float32")
    x = layers.Flatten()(create()(inputs))
    return compiled(keras.Model(inputs, layers.Dense(3, name="top")(x)))


def compiled(model):
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


def data(model):
    generator = np.random.default_rng(0)
    shape = (16, *model.input.shape[1:])
    if model.input.dtype == "int32":
        x = generator.integers(0, 20, shape)
    else:
        x = generator.normal(size=shape).astype("float32")
    return x, generator.normal(size=(16, 3)).astype("float32")


def fit(model):
    rules = [("layer", 0.5)]  # an embedding needs one
    callbacks = [
        ko.callbacks.Pruning(0.5, rules=rules),
        ko.callbacks.QuantizationAware("int8", begin="30%", rules=[("layer", "int8")]),
    ]
    model.fit(*data(model), batch_size=8, epochs=3, verbose=0, callbacks=callbacks)
    return model


def call(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False))


def weight_of(model, name="layer"):
    layer = model.get_layer(name)
    weight = layer.embeddings if isinstance(layer, layers.Embedding) else layer.kernel
    return keras.ops.convert_to_numpy(weight)


@pytest.mark.parametrize("case", [*CASES, "compressed before"])
def test_the_sum_is_compressed_and_the_factors_train(case, tmp_path):
    case, was_compressed = ("Dense", True) if case == "compressed before" else (case, False)
    model = fit(make(case)) if was_compressed else make(case)
    layer, (x, _) = model.get_layer("layer"), data(model)
    layer.enable_lora(2)
    fit(compiled(model))
    weight = weight_of(model)
    assert abs((weight == 0).mean() - 0.5) < 0.01
    factors = [v for v in layer.trainable_variables if "lora" in v.path]
    assert len(factors) == 2 and all(np.abs(factor.numpy()).max() > 0 for factor in factors)
    expected = call(model, x)

    int8 = ko.convert(model, "int8")
    np.testing.assert_allclose(call(int8, x), expected, atol=0.05)
    (row,) = [row for row in ko.summary(model, print_fn=str).layers if row.path == "layer"]
    assert row.bits == 8 and row.zeros == (weight == 0).sum()

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(call(loaded, x), expected)
    model.save_weights(tmp_path / "model.weights.h5")
    plain = make(case)
    plain.load_weights(tmp_path / "model.weights.h5")
    assert ((weight_of(plain) == 0) == (weight == 0)).all()

    ko.finalize(model, verbose=False)
    np.testing.assert_array_equal(weight_of(model), weight)
    assert layer.lora_enabled and not hasattr(layer, "parametrizations")


def test_files_are_not_changed_by_a_chain_on_another_weight(tmp_path):
    model = make("Dense")
    layer = model.get_layer("layer")
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(np.ones(layer.lora_kernel_b.shape))
    ko.parametrize(layer, "bias", ko.sparsity.Mask())
    model.save_weights(tmp_path / "model.weights.h5")
    plain = make("Dense")
    plain.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_allclose(weight_of(plain), weight_of(model), rtol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_quantize_merges_it_in_the_copy(case):
    model = make(case)
    layer, (x, _) = model.get_layer("layer"), data(model)
    layer.enable_lora(2, lora_alpha=8)
    for variable in layer.trainable_variables:
        if "lora" in variable.path:
            variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    expected = call(model, x)
    rules = [(layers.Embedding, "int8_weight_only")]
    quantized = ko.quantize(model, "int8", calibration=x, rules=rules, verbose=0)
    assert not quantized.get_layer("layer").lora_enabled and layer.lora_enabled
    outputs = call(quantized, x)
    np.testing.assert_allclose(outputs, expected, atol=0.03 * np.abs(expected).max())


def test_widths_are_measured_of_the_sum():
    model = make("Dense")
    layer, (x, _) = model.get_layer("layer"), data(model)
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(np.ones(layer.lora_kernel_b.shape))
    before = call(model, x)
    found = ko.quantization.width_sensitivity(model, x, widths=(4, 8), verbose=0)
    assert 0 < found.errors["layer"][8] < found.errors["layer"][4] < 0.1
    np.testing.assert_array_equal(call(model, x), before)


def test_projections_of_attention():
    inputs = keras.Input((5, 8))
    attention = layers.MultiHeadAttention(2, 4, name="attention")
    x = layers.Flatten()(attention(inputs, inputs))
    model = compiled(keras.Model(inputs, layers.Dense(3)(x)))
    attention._query_dense.enable_lora(2)
    model.fit(*data(model), verbose=0, callbacks=[ko.callbacks.Pruning(0.5)])
    kernel = keras.ops.convert_to_numpy(attention._query_dense.kernel)
    assert (kernel == 0).mean() == 0.5


def test_held_weights_refuse_it():
    quantized = ko.quantize(make("Dense"), "int4_weight_only", verbose=0)
    held = ko.convert(quantized, "int4_weight_only").get_layer("layer")
    with pytest.raises(ValueError, match="Enable LoRA before you convert. Received: rank=2"):
        held.enable_lora(2)


@pytest.mark.parametrize("criterion", ["saliency", "movement"])
def test_criteria_that_need_gradients_refuse_it(criterion):
    model = make("Dense")
    model.get_layer("layer").enable_lora(2)
    schedule = ko.schedules.OneShot(0.5, begin=1)
    pruning = ko.callbacks.Pruning(schedule, criterion=criterion)
    with pytest.raises(ValueError, match=r"not trainable.*layers=\['layer'\]"):
        compiled(model).fit(*data(model), verbose=0, callbacks=[pruning])


@pytest.mark.parametrize("regrowth", ["set", "rigl"])
def test_regrowth_refuses_it(regrowth):
    model = make("Dense")
    model.get_layer("layer").enable_lora(2)
    pruning = ko.callbacks.Pruning(0.5, regrowth=regrowth)
    with pytest.raises(ValueError, match=r"frozen.*\['layer/kernel'\]"):
        compiled(model).fit(*data(model), verbose=0, callbacks=[pruning])


@pytest.mark.parametrize("mode, lora", [("int8", False), ("int4", True)])
@pytest.mark.parametrize("name, argument", [("Pruning", 0.5), ("QuantizationAware", "int8")])
def test_what_keras_has_quantized_is_refused(mode, lora, name, argument):
    model = make("Dense")
    model.get_layer("layer").quantize(mode)
    if lora:
        model.get_layer("layer").enable_lora(2)
    callback = getattr(ko.callbacks, name)(argument, rules=[("layer", argument)])
    with pytest.raises(ValueError, match="'layer' is already quantized by Keras' `quantize`"):
        callback.set_model(compiled(model))
