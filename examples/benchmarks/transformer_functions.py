"""Softmax and normalization of a transformer in integers, or in float between integers.

The network of `transformer_accuracy.py` in static int8, converted, on test texts without padding:
with a mask the softmax is float, without one it is of integers; normalizations that a rule leaves
out are float. Given is the mean square of what the logits change, relative to their variance.

    python examples/benchmarks/transformer_accuracy.py --folder runs --runs float
    python examples/benchmarks/transformer_functions.py --folder runs
"""

import argparse
import os
from pathlib import Path

import keras
import newsgroups_task as task
import numpy as np
import records
import results
import tensorflow as tf

import kerasopt as ko

COLUMNS = {
    "softmax": ("Softmax", ""),
    "normalization": ("Normalization", ""),
    "seeds": ("Seeds", "d"),
    "error": ("Relative error of the logits × 10,000", ".2f"),
    "same": ("Same class as float (%)", ".2f"),
}
TABLE = ("*token_embedding", "int8_weight_only")
NORMALIZATIONS = {"integers": [], "float": [(keras.layers.LayerNormalization, None)]}
CALIBRATION = 256


def measured(weights, texts, calibration, masks, rules):
    """Returns the error of the logits, and the share of texts with the same class."""
    model = task.network(masks)
    model.load_weights(weights)
    expected = model.predict(texts, batch_size=128, verbose=0)
    quantized = ko.quantize(model, "int8", calibration, rules=[*rules, TABLE], verbose=0)
    found = ko.convert(quantized).predict(texts, batch_size=128, verbose=0)
    error = np.mean((found - expected) ** 2) / np.var(expected)
    return 1e4 * float(error), float(100 * np.mean(found.argmax(-1) == expected.argmax(-1)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="of the weights")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--texts", type=int, default=1000)
    results.add_output(parser, "transformer_functions")
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    (x, _), (texts, _) = task.load()
    x, texts = (ids[ids[:, -1] > 0] for ids in (x, texts))
    given = texts[: arguments.texts], x[:CALIBRATION]
    rows = {}
    for softmax, masks in (("integers", False), ("float", True)):
        for normalization, rules in NORMALIZATIONS.items():
            files = [arguments.folder / f"transformer-{n}.weights.h5" for n in arguments.seeds]
            errors, same = zip(
                *(measured(file, *given, masks, rules) for file in files), strict=True
            )
            rows[f"{softmax} {normalization}"] = {
                "softmax": softmax,
                "normalization": normalization,
                "seeds": len(files),
                "error": records.spread(errors),
                "same": records.spread(same),
            }
    results.write(arguments.output, COLUMNS, rows)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
