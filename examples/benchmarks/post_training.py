"""Post-training quantization of EfficientNet-Lite0, beside LiteRT's.

Calibrated on crops of ten photographs; on 500 crops of ten others, the share of crops with the same
top-1 class as the float network, and the mean cosine similarity of their logits.

    python examples/benchmarks/post_training.py
    python examples/benchmarks/post_training.py --runs int8:minmax int4+adaround --crops 100
"""

import argparse
import contextlib
import io
import os
import time

import imagenet_task as task
import numpy as np
import results

import kerasopt as ko

CALIBRATION, TEST = slice(0, 10), slice(10, 20)
RUNS = [
    "litert",
    *(f"int8:{observer}" for observer in ("minmax", "percentile", "mse", "kl")),
    *("int8+bias", "int8+adaround", "int8_dynamic", "int8_weight_only", "int16x8", "bfloat16"),
    *("int4_weight_only", "int4_weight_only+bias", "int4_weight_only+adaround"),
    *("int4_weight_only+adaround+bias", "int4", "int4+adaround+bias"),
]
HELP = "as spec:observer+option, with options adaround, bias and equalized; or litert"
COLUMNS = {
    "run": ("Run", ""),
    "same": ("Same first class (%)", ".1f"),
    "cosine": ("Mean cosine of the logits", ".4f"),
    "seconds": ("Seconds", ".0f"),
}
OPTIONS = {
    "adaround": {"rounding": "adaround"},
    "bias": {"bias_correction": True},
    "equalized": {"equalization": True},
}


def litert(model, calibration, images):
    """Returns the logits of LiteRT's own full-integer model."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([x[None]] for x in calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    with contextlib.redirect_stdout(io.StringIO()):
        content = converter.convert()
    interpreter = tf.lite.Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    entry, end = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    logits = []
    for image in images:
        interpreter.set_tensor(entry["index"], image[None])
        interpreter.invoke()
        logits.append(interpreter.get_tensor(end["index"])[0])
    return np.stack(logits)


def quantized(model, calibration, images, run):
    """Returns the logits of a model that `ko.quantize` has made."""
    how, *names = run.split("+")
    spec, *observer = how.split(":")
    options = {"observer": observer[0]} if observer else {}
    for name in names:
        options |= OPTIONS[name]
    made = ko.quantize(model, spec, calibration, verbose=0, **options)
    return made.predict(images, verbose=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", nargs="*", default=RUNS, help=HELP)
    parser.add_argument("--crops", type=int, default=500)
    parser.add_argument("--calibration", type=int, default=100, help="crops to calibrate on")
    results.add_output(parser, "post_training")
    arguments = parser.parse_args()
    model = task.efficientnet_lite0()
    calibration = task.crops(CALIBRATION, arguments.calibration, seed=0)
    images = task.crops(TEST, arguments.crops, seed=1)
    expected = model.predict(images, verbose=0)
    rows = {}
    for run in arguments.runs:
        begin = time.perf_counter()
        if run == "litert":
            logits = litert(model, calibration, images)
        else:
            logits = quantized(model, calibration, images, run)
        seconds = time.perf_counter() - begin
        rows[run] = {"run": f"`{run}`", **task.agreement(expected, logits), "seconds": seconds}
    results.write(arguments.output, COLUMNS, rows)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
