"""Writing the cache of a teacher over its `predict`, and reading it for an epoch.

The teacher is a CNN of four convolutions on the 60,000 images of Fashion-MNIST. `predict` and the
cache take turns, many times over, so that whatever else the machine does meets both; a ratio is the
median over the turns, with its quartiles. With features, `predict` is that of a model that returns
them, too. Reading is all batches of an epoch in a random order; the part of the cache is their time
less that of batches without it. Memory is what the process holds for itself: the map of the files
is not counted, for the system takes it back when it needs to.

    python examples/benchmarks/teacher_cache.py --rounds 7
"""

import argparse
import tempfile
import time
from pathlib import Path

import fashion_mnist_task
import keras
import numpy as np
import results

import kerasopt as ko

COLUMNS = {
    "variant": ("What is cached", ""),
    "megabytes": ("MB on the disk", ".1f"),
    "over_predict": ("Writing over `predict` (quartiles)", ".3f"),
    "batch": ("µs to read a batch of 128", ".0f"),
    "added": ("of which the cache", ".0f"),
    "memory": ("MB of memory added in an epoch", ".1f"),
}
BATCH = 128


def network(classes):
    """Returns the teacher; how long it takes does not depend on its weights."""
    layers = keras.layers
    inputs = x = layers.Input((28, 28, 1))
    for filters, strides in ((32, 1), (64, 2), (64, 1), (128, 2)):
        x = layers.Conv2D(filters, 3, strides, padding="same", activation="relu")(x)
    outputs = layers.Dense(classes)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, outputs)
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


# Classes of the teacher, arguments of `cache`, and the share of the images.
VARIANTS = {
    "10 logits, float16": (10, {}, 1),
    "10 logits, float32": (10, {"dtype": "float32"}, 1),
    "5 of 1,000 logits": (1000, {"top_k": 5}, 1),
    "10 logits and features of 7×7×128, a sixth of the images": (10, {"taps": ["conv2d_3"]}, 6),
}


def own_memory():
    """Returns the megabytes that the process holds for itself, without files in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("RssAnon"))
    return int(kilobytes) / 1000


def epoch(data):
    """Returns the microseconds of a batch."""
    begin = time.perf_counter()
    for index in range(len(data)):
        data[index]
    return 1e6 * (time.perf_counter() - begin) / len(data)


def measure(classes, options, share, rounds):
    """Returns the row of a variant."""
    (x, y), _ = fashion_mnist_task.load()
    x, y = x[::share], y[::share]
    keras.backend.clear_session()  # so that layers have their first names
    teacher = network(classes)
    read = [teacher.get_layer(tap).output for tap in options.get("taps", ())]
    reference = keras.Model(teacher.inputs, [teacher.output, *read])
    reference.predict(x[:1024], batch_size=BATCH, verbose=0)
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds):
            begin = time.perf_counter()
            reference.predict(x, batch_size=BATCH, verbose=0)
            middle = time.perf_counter()
            path = Path(folder, str(turn))
            arguments = {"batch_size": BATCH, "verbose": 0, **options}
            cached = ko.distillation.cache(teacher, x, path, **arguments)
            ratios.append((time.perf_counter() - middle) / (middle - begin))
        size = sum(file.stat().st_size for file in path.iterdir()) / 1e6
        data = cached.dataset(x, y, batch_size=BATCH)
        cached.attended = 1
        plain = data.data
        data[0], plain[0]
        before = own_memory()
        times = [(epoch(data), epoch(plain)) for _ in range(rounds)]
        memory = max(0.0, own_memory() - before)
    batch, alone = np.median(times, axis=0).tolist()
    return {
        "megabytes": size,
        "over_predict": np.percentile(ratios, (50, 25, 75)).tolist(),
        "batch": batch,
        "added": batch - alone,
        "memory": memory,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    results.add_output(parser, "teacher_cache")
    arguments = parser.parse_args()
    rows = {}
    for name in arguments.only:
        rows[name] = {"variant": name, **measure(*VARIANTS[name], arguments.rounds)}
        print(name, rows[name], flush=True)
    results.write(arguments.output, COLUMNS, rows)


if __name__ == "__main__":
    main()
