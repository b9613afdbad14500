"""Tokens a second that `generate` of a GPT-2 shape makes, float32 and with weights in few bits.

The model has 4 layers of 8 heads and random weights; greedy search, batch 1, a prompt of 8 tokens
and 120 more, one thread. The float model is compiled as keras-hub compiles it (by XLA), converted
ones run on kerasopt's native ops. All variants generate in turns; a figure is the best of all
rounds, in CPU time, which other processes disturb the least.

    python examples/benchmarks/generation.py
"""

import argparse
import time

import keras
import keras_hub
import numpy as np
import results
import tensorflow as tf

import kerasopt as ko

LENGTH, PROMPT, VOCABULARY = 128, 8, 5000
COLUMNS = {
    "model": ("Model", ""),
    "tokens": ("Tokens a second", ",.0f"),
    "over_float": ("Over float32", ".2f"),
    "megabytes": ("Weights, MB", ".1f"),
}
INT4 = ko.quantization.Format(4, symmetric=True)
GROUPS = ko.quantization.Spec(INT4, None, granularity=32)
# What the layers and the table have.
SPECS = {
    "int8, dynamic": ("int8_dynamic", "int8_weight_only"),
    "int8 weights": ("int8_weight_only", "int8_weight_only"),
    "int4 weights": ("int4_weight_only", "int4_weight_only"),
    "int4 weights, groups of 32": (GROUPS, GROUPS),
}


def causal_lm(hidden):
    keras.utils.set_random_seed(0)
    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=VOCABULARY,
        num_layers=4,
        num_heads=8,
        hidden_dim=hidden,
        intermediate_dim=4 * hidden,
        max_sequence_length=LENGTH,
    )
    return keras_hub.models.GPT2CausalLM(backbone=backbone, preprocessor=None)


def variants(hidden):
    """Returns the models of a width by their names."""
    model = causal_lm(hidden)
    found = {"float32": model}
    for name, (spec, table) in SPECS.items():
        quantized = ko.quantize(model, spec, rules=[("*token_embedding", table)], verbose=0)
        found[name] = ko.convert(quantized)
    for each in found.values():
        each.compile(sampler="greedy")
    return found


def seconds(model, inputs):
    begin = time.process_time()
    model.generate(dict(inputs), stop_token_ids=None)
    return time.process_time() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hidden", type=int, nargs="+", default=[256, 512, 768])
    parser.add_argument("--rounds", type=int, default=7)
    results.add_output(parser, "generation")
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tokens = np.zeros((1, LENGTH), "int32")
    tokens[:, :PROMPT] = np.random.default_rng(0).integers(1, VOCABULARY, PROMPT)
    inputs = {"token_ids": tokens, "padding_mask": (tokens > 0).astype("int32")}
    rows = {}
    for hidden in arguments.hidden:
        models = variants(hidden)
        best = {name: seconds(model, inputs) for name, model in models.items()}  # with compilation
        for _ in range(arguments.rounds):
            best = {n: min(best[n], seconds(model, inputs)) for n, model in models.items()}
        for name, model in models.items():
            rows[f"{hidden} {name}"] = {
                "model": f"hidden size {hidden}, {name}",
                "tokens": (LENGTH - PROMPT) / best[name],
                "over_float": best["float32"] / best[name],
                "megabytes": ko.summary(model, print_fn=len).bytes / 1e6,
            }
    results.write(arguments.output, COLUMNS, rows)


if __name__ == "__main__":
    main()
