"""One network in all its forms: fake-quantized, of integer layers, in LiteRT, in onnxruntime.

A row for each network says how much of every layer's output is equal, given equal inputs, how often
the top-1 class is the same, and has times, sizes and accuracies. Networks may be measured one by
one: the rows of the others stay in the file.

    python examples/benchmarks/deployment.py --networks quickstart transformer MobileNetV2 ResNet50
    python examples/benchmarks/deployment.py --networks EfficientNetLite0
    python examples/benchmarks/deployment.py --folder runs --networks fashion:0 fashion:1 fashion:2

`fashion:<seed>` trains from the float weights that `tfmot_pruning.py --runs float:0` has made, as
`quantization_accuracy.py` does.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import results

import kerasopt as ko
from kerasopt.ops import native

sys.path.insert(0, str(Path(__file__).parents[1]))

BATCH = 100
FORMS = {"litert": "model.tflite", "onnx": "model.onnx"}
# How the forms are called in the table.
TITLES = {
    "fake": "Fake-quantized",
    "integers": "Integer layers",
    "litert": "LiteRT with XNNPACK",
    "onnx": "onnxruntime",
}
COLUMNS = {
    "network": ("Network", ""),
    "paths": ("Native, reference and XLA", ""),
    "fake_equal": ("Fake-quantized against integers (%)", ".2f"),
    "fake_least": ("Worst layer (%)", ".2f"),
    "fake_worst": ("Which", ""),
    **{f"{form}_equal": (f"{TITLES[form]} (%)", ".4f") for form in FORMS},
    "steps": ("Largest step", "d"),
    "same": ("Same class, fake-quantized and integers (%)", ".2f"),
    "float_accuracy": ("Float", ".2f"),
    **{f"{form}_accuracy": (title, ".2f") for form, title in TITLES.items()},
    "convert": ("Convert (s)", ".1f"),
    "memory": ("Peak memory, times the float model", "+.2f"),
    **{f"{form}_seconds": (f"{TITLES[form]}, export (s)", ".2f") for form in FORMS},
    "keras_megabytes": ("`.keras` (MB)", ".2f"),
    **{f"{form}_megabytes": (f"`.{file[6:]}` (MB)", ".2f") for form, file in FORMS.items()},
}


def quickstart(folder):
    """The network of the quickstart, after two epochs."""
    import quickstart as task

    (x, y), test = task.load_data(full=False)
    keras.utils.set_random_seed(0)
    model = task.make_cnn("student")
    task.compile_for(model, 2, len(x))
    model.fit(x, y, batch_size=task.BATCH_SIZE, epochs=2, verbose=0)
    return model, ko.quantize(model, "int8", x[:200], verbose=0), *test


def fashion(folder, seed):
    """The network of the accuracy benchmarks, trained for int8."""
    import fashion_mnist_task as task
    import quantization_accuracy

    data = task.load()
    keras.utils.set_random_seed(int(seed))
    model = task.network(keras, fused=False)
    task.load_weights(model, task.weights_file(folder, seed))
    trained = task.network(keras)
    trained.set_weights(model.get_weights())
    quantization_accuracy.trained(trained, data, "int8")
    return model, trained, *data[1]


def efficientnet(folder):
    """EfficientNet-Lite0 with ImageNet weights; the labels are what the float network says."""
    import imagenet_task as task

    model = task.efficientnet_lite0()
    x = task.crops(slice(10, 20), 500, seed=1)
    calibration = task.crops(slice(0, 10), 100, seed=0)
    labels = model.predict(x, verbose=0).argmax(-1)
    return model, ko.quantize(model, "int8", calibration, verbose=0), x, labels


def application(folder, name):
    """A network of `keras.applications` with random weights."""
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(weights=None, classifier_activation=None)
    x = np.random.default_rng(0).normal(size=(16, *model.input_shape[1:])).astype("float32")
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(x, training=True)
    return model, ko.quantize(model, "int8", x, verbose=0), x, None


def transformer(folder):
    """An encoder block with random weights, between an embedding of tokens and a classifier."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    inputs = keras.Input((64, 128))
    x = layers.Dense(128)(inputs)
    y = layers.MultiHeadAttention(4, 32)(x, x)
    x = layers.LayerNormalization()(layers.Add()([x, y]))
    y = layers.Dense(128)(layers.Dense(512, activation="gelu")(x))
    x = layers.LayerNormalization()(layers.Add()([x, y]))
    model = keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling1D()(x)))
    x = np.random.default_rng(0).normal(size=(200, 64, 128)).astype("float32")
    return model, ko.quantize(model, "int8", x, verbose=0), x, None


NETWORKS = {
    "quickstart": quickstart,
    "fashion": fashion,
    "EfficientNetLite0": efficientnet,
    "transformer": transformer,
}


def paths_agree(integers, x):
    """Whether native ops, the reference and XLA compute the same bits."""
    import tensorflow as tf

    expected = keras.ops.convert_to_numpy(integers(x))
    found = [tf.function(integers, jit_compile=True)(x)]
    with native.left_out():
        found += [integers(x), tf.function(integers, jit_compile=True)(x)]
    return all(np.array_equal(expected, each) for each in found)


def layer_by_layer(integers, other, x):
    """Returns the shares of equal values, of all and of the worst tensor, and the largest step."""
    counts = {}
    for begin in range(0, len(x), BATCH):
        report = ko.compare(integers, other, x[begin : begin + BATCH], isolated=True)
        for row in report.tensors:
            if row.steps is not None:
                equal, size, steps = counts.get(row.name, (0, 0, 0))
                counts[row.name] = (
                    equal + row.equal * row.size,
                    size + row.size,
                    max(steps, row.steps),
                )
    equal, sizes, steps = zip(*counts.values(), strict=True)
    worst = min(counts, key=lambda name: counts[name][0] / counts[name][1])
    return sum(equal) / sum(sizes), counts[worst][0] / counts[worst][1], worst, max(steps)


def predictions(form, x):
    """Returns what a model or a file predicts."""
    if isinstance(form, keras.Model):
        return form.predict(x, batch_size=BATCH, verbose=0)
    if form.suffix == ".tflite":
        from kerasopt.exporters.litert.run import LiteRT

        run = LiteRT(form)
    else:
        import onnxruntime

        session = onnxruntime.InferenceSession(str(form))
        (name,) = (each.name for each in session.get_inputs())
        run = lambda batch: session.run(None, {name: batch})  # noqa: E731
    batches = [x[begin : begin + BATCH] for begin in range(0, len(x), BATCH)]
    return np.concatenate([run(batch)[0] for batch in batches])


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(name, folder):
    """Returns the row of a network."""
    kind, _, argument = name.partition(":")
    make = NETWORKS.get(kind, application)
    arguments = [argument] if argument else [kind] if make is application else []
    model, quantized, x, labels = make(folder, *arguments)
    before, began = peak_bytes(), time.perf_counter()
    integers = ko.convert(quantized, "int8")
    row = {"network": name, "convert": time.perf_counter() - began}
    row["memory"] = (peak_bytes() - before) / sum(4 * np.prod(w.shape) for w in model.weights)
    row["paths"] = "equal" if paths_agree(integers, x[:16]) else "NOT equal"
    with tempfile.TemporaryDirectory() as made:
        row |= written(integers, Path(made))
        forms = {"fake": quantized, "integers": integers}
        forms |= {form: Path(made, file) for form, file in FORMS.items()}
        row |= agreement(forms, x, labels)
    if labels is not None:
        row["float_accuracy"] = accuracy(predictions(model, x).argmax(-1), labels)
    return row


def written(integers, folder):
    """Writes the files of a model; returns their sizes, and the seconds that exporting took."""
    ko.save(integers, folder / "int8.keras")
    figures = {"keras_megabytes": (folder / "int8.keras").stat().st_size / 1e6}
    for form, file in FORMS.items():
        began = time.perf_counter()
        ko.export(integers, folder / file, format=form)
        figures[f"{form}_seconds"] = time.perf_counter() - began
        figures[f"{form}_megabytes"] = (folder / file).stat().st_size / 1e6
    return figures


def agreement(forms, x, labels):
    """Returns how much of the forms is equal, layer by layer and at the end."""
    classes = {form: predictions(each, x).argmax(-1) for form, each in forms.items()}
    figures, largest = {"same": accuracy(classes["fake"], classes["integers"])}, []
    for form, each in forms.items():
        if labels is not None:
            figures[f"{form}_accuracy"] = accuracy(classes[form], labels)
        if form == "integers":
            continue
        equal, least, worst, steps = layer_by_layer(forms["integers"], each, x)
        largest.append(int(steps))
        figures[f"{form}_equal"] = 100 * equal
        if form == "fake":
            figures |= {"fake_least": 100 * least, "fake_worst": worst}
    return figures | {"steps": max(largest)}


def accuracy(classes, labels):
    return 100 * float(np.mean(classes == labels))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", required=True)
    parser.add_argument("--folder", type=Path, help="of the float weights of Fashion-MNIST")
    results.add_output(parser, "deployment")
    arguments = parser.parse_args()
    rows = results.read(arguments.output)
    for name in arguments.networks:
        rows[name] = measure(name, arguments.folder)
        results.write(arguments.output, COLUMNS, rows)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
