"""Transformers in float32 and in integers beside onnxruntime's dynamic int8: time of a call.

BERT-small (4 layers, width 512) and ViT-tiny (12 layers, width 192) from keras-hub, with random
weights; images of as many patches as the sequences have tokens. Each form is called in turns; a
figure is the median of all rounds. A process for each number of threads.

    pip install onnx onnxruntime
    python examples/benchmarks/transformer_speed.py
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import results

LENGTHS, BATCHES = (64, 128), (1, 8)
FORMS = {
    "static": "int8",
    "dynamic": "int8, dynamic ranges",
    "onnxruntime": "onnxruntime, dynamic int8",
    "keras": "Keras' own int8",
}
COLUMNS = {
    "model": ("Model", ""),
    "threads": ("Threads", "d"),
    "batch": ("Batch", "d"),
    "length": ("Length", "d"),
    "float": ("Keras float32, ms", ".2f"),
    **{name: (f"{title}, ms", ".2f") for name, title in FORMS.items()},
    "over_float": ("int8 over float32", ".2f"),
    "over_onnxruntime": ("int8 over onnxruntime", ".2f"),
    "dynamic_over_onnxruntime": ("dynamic over onnxruntime", ".2f"),
}


def bert(length):
    import keras_hub

    model = keras_hub.models.BertBackbone(
        vocabulary_size=5000, num_layers=4, num_heads=8, hidden_dim=512, intermediate_dim=2048
    )
    rng = np.random.default_rng(0)
    return model, {
        "token_ids": rng.integers(1, 5000, (max(BATCHES), length)).astype("int32"),
        "segment_ids": np.zeros((max(BATCHES), length), "int32"),
        "padding_mask": np.ones((max(BATCHES), length), "int32"),
    }


def vit(length):
    import keras_hub

    shape = (128, 2 * length, 3)  # patches of 16 x 16
    model = keras_hub.models.ViTBackbone(
        image_shape=shape,
        patch_size=16,
        num_layers=12,
        num_heads=3,
        hidden_dim=192,
        mlp_dim=768,
        use_class_token=False,
    )
    images = np.random.default_rng(0).normal(size=(max(BATCHES), *shape))
    return model, images.astype("float32")


MODELS = {"BERT-small": bert, "ViT-tiny": vit}


def forms(model, inputs, folder):
    """Returns functions that call each form on inputs."""
    import keras
    import onnxruntime
    import onnxruntime.quantization
    import tensorflow as tf

    import kerasopt as ko

    def traced(made):
        function = tf.function(lambda x: made(x, training=False), autograph=False)
        return lambda x: keras.tree.map_structure(np.asarray, function(x))

    found = {"float": traced(model)}
    for name, spec in (("static", "int8"), ("dynamic", "int8_dynamic")):
        quantized = ko.quantize(model, spec, calibration=inputs, verbose=0)
        found[name] = traced(ko.convert(quantized, spec))
    own = type(model).from_config(model.get_config())
    own.set_weights(model.get_weights())
    own.quantize("int8")
    found["keras"] = traced(own)
    ko.export(model, folder / "float.onnx", format="onnx")
    onnxruntime.quantization.quantize_dynamic(
        folder / "float.onnx",
        folder / "int8.onnx",
        weight_type=onnxruntime.quantization.QuantType.QInt8,
        per_channel=True,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    session = onnxruntime.InferenceSession(str(folder / "int8.onnx"), options)
    names = [x.name for x in session.get_inputs()]

    def run(x):
        arrays = {k: np.asarray(v) for k, v in x.items()} if isinstance(x, dict) else x
        feeds = arrays if isinstance(arrays, dict) else {names[0]: np.asarray(arrays)}
        return session.run(None, feeds)

    found["onnxruntime"] = run
    return found


def measure(threads, rounds):
    """Yields the rows of a number of threads."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for name, make in MODELS.items():
        for length in LENGTHS:
            model, inputs = make(length)
            with tempfile.TemporaryDirectory() as folder:
                calls = forms(model, inputs, pathlib.Path(folder))
            for batch in BATCHES:
                row = {"model": name, "threads": threads, "batch": batch, "length": length}
                yield (
                    f"{name} {threads} {batch} {length}",
                    row | timed(calls, inputs, batch, rounds),
                )


def timed(calls, inputs, batch, rounds):
    """Returns the milliseconds of each form, and how they compare."""
    import tensorflow as tf

    part = tf.nest.map_structure(lambda x: tf.constant(x[:batch]), inputs)
    times = {form: [] for form in calls}
    for _ in range(rounds + 3):
        for form, call in calls.items():
            begin = time.perf_counter()
            call(part)
            times[form].append(time.perf_counter() - begin)
    row = {form: 1000 * float(np.median(each[3:])) for form, each in times.items()}
    row["over_float"] = row["float"] / row["static"]
    row["over_onnxruntime"] = row["onnxruntime"] / row["static"]
    row["dynamic_over_onnxruntime"] = row["onnxruntime"] / row["dynamic"]
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=60)
    results.add_output(parser, "transformer_speed")
    arguments = parser.parse_args()
    if len(arguments.threads) == 1:
        rows = dict(measure(arguments.threads[0], arguments.rounds))
        results.write(arguments.output, COLUMNS, rows)
        return
    rows = {}
    for threads in arguments.threads:
        with tempfile.TemporaryDirectory() as folder:
            output = pathlib.Path(folder) / "rows.json"
            command = [sys.executable, __file__, "--threads", str(threads)]
            command += ["--rounds", str(arguments.rounds), "--output", str(output)]
            environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
            subprocess.run(command, check=True, env=environment)
            rows |= results.read(output)
    results.write(arguments.output, COLUMNS, rows)


if __name__ == "__main__":
    main()
