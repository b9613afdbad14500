"""Causal language models of keras-hub generate with converted weights."""

import keras
import keras_hub
import numpy as np
import pytest
from processes import run as run_process

import kerasopt as ko

VOCABULARY, LENGTH = 48, 12
SMALL = {"vocabulary_size": VOCABULARY, "num_layers": 2, "dropout": 0.0}
GROUPED = {"num_query_heads": 4, "num_key_value_heads": 2, "hidden_dim": 32}
MODELS = {
    "GPT2": {
        "num_heads": 4,
        "hidden_dim": 32,
        "intermediate_dim": 64,
        "max_sequence_length": LENGTH,
    },
    "Gemma": {**GROUPED, "head_dim": 8, "intermediate_dim": 64},
    "Llama": {**GROUPED, "intermediate_dim": 64},
    "Mistral": {**GROUPED, "intermediate_dim": 64, "sliding_window": 6},
}
GROUPS = ko.quantization.Spec(ko.quantization.Format(4, symmetric=True), None, granularity=8)


def causal_lm(name):
    """A model of large random weights, so that the best token is far from the next."""
    keras.utils.set_random_seed(0)
    sizes = {key: value for key, value in {**SMALL, **MODELS[name]}.items()}
    if name == "Llama":
        del sizes["dropout"]
    backbone = getattr(keras_hub.models, f"{name}Backbone")(**sizes)
    for weight in backbone.weights:
        if len(weight.shape) > 1:
            random = np.random.default_rng(weight.shape[0])
            weight.assign(random.normal(size=weight.shape) / weight.shape[-1] ** 0.5)
    model = getattr(keras_hub.models, f"{name}CausalLM")(backbone=backbone, preprocessor=None)
    model.compile(sampler="greedy")
    return model


def generated(model, **how):
    if how:
        model.compile(sampler="greedy", **how)
    prompt = np.array([[5, 7, 11, *[0] * (LENGTH - 3)], [9, 2, *[0] * (LENGTH - 2)]], "int32")
    inputs = {"token_ids": prompt, "padding_mask": (prompt > 0).astype("int32")}
    return model.generate(inputs, stop_token_ids=None)["token_ids"]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("spec", ["int8_dynamic", "int8_weight_only", GROUPS], ids=str)
def test_tokens_are_those_of_the_simulation(name, spec):
    table = "int8_weight_only" if spec == "int8_dynamic" else spec
    rules = [("*token_embedding", table)]
    quantized = ko.quantize(causal_lm(name), spec, rules=rules, verbose=0)
    expected = generated(quantized)
    assert len(np.unique(expected)) > 6
    converted = ko.convert(quantized)
    assert type(converted).__name__ == f"{name}CausalLM"
    np.testing.assert_array_equal(generated(converted), expected)


@pytest.mark.parametrize("how", [{"run_eagerly": True}, {"jit_compile": True}], ids=str)
def test_tokens_are_the_same_eagerly_and_compiled(how):
    converted = ko.convert(ko.quantize(causal_lm("GPT2"), "int4_weight_only", verbose=0))
    expected = generated(converted)
    np.testing.assert_array_equal(generated(converted, **how), expected)


def test_a_loaded_model_generates_the_same(tmp_path):
    rules = [("*token_embedding", "int4_weight_only")]
    model = causal_lm("GPT2")
    quantized = ko.quantize(model, "int4_weight_only", rules=rules, verbose=0)
    converted = ko.convert(quantized)
    ko.save(converted, tmp_path / "model.keras")
    np.save(tmp_path / "tokens.npy", generated(converted))
    script = (
        "import sys, keras, keras_hub, numpy as np, kerasopt; "
        "from lowering.test_generation import generated; folder = sys.argv[1]; "
        "model = keras.models.load_model(folder + '/model.keras'); "
        "tokens = generated(model, jit_compile=False); "
        "assert (tokens == np.load(folder + '/tokens.npy')).all(); print('equal')"
    )
    assert "equal" in run_process("-c", script, tmp_path)


def test_lora_trains_a_quantized_base():
    """Before the conversion: the sum of the base and the factors is what is rounded."""
    model = ko.quantize(causal_lm("GPT2"), "int4_weight_only", verbose=0)
    model.backbone.enable_lora(2)
    model.compile(keras.optimizers.Adam(0.01), model.loss or "sparse_categorical_crossentropy")
    tokens = np.random.default_rng(0).integers(1, VOCABULARY, (8, LENGTH)).astype("int32")
    inputs = {"token_ids": tokens, "padding_mask": np.ones_like(tokens)}
    frozen = np.array(model.backbone.token_embedding.embeddings)
    before = model.evaluate(inputs, np.roll(tokens, -1, 1), verbose=0)
    model.fit(inputs, np.roll(tokens, -1, 1), epochs=8, verbose=0)
    after = model.evaluate(inputs, np.roll(tokens, -1, 1), verbose=0)
    assert np.ravel(after)[0] < np.ravel(before)[0]
    np.testing.assert_array_equal(np.array(model.backbone.token_embedding.embeddings), frozen)
    expected = generated(model, run_eagerly=True)
    converted = ko.convert(model)
    np.testing.assert_array_equal(generated(converted), expected)
    with pytest.raises(ValueError, match="Enable LoRA before you convert"):
        converted.backbone.enable_lora(2)
