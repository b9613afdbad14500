"""Time of a training step with a teacher over that of the student alone, beside Keras' Distiller.

The student is the CNN of five convolutions of `step_time.py` (32×32×3, batch 32, Adam); the
teacher has the same layers, twice as wide. All variants train in turns of one epoch, many times
over; a figure is the median of the ratios to the student's epoch of the same turn, with their
quartiles. `forward` is the time that the teacher takes for the batches of a step.

    python examples/benchmarks/distillation_step_time.py --rounds 21
"""

import argparse
import statistics
import tempfile
import time

import keras
import numpy as np
import results
from batches import shuffled_batches
from step_time import Variant, compiled

import kerasopt as ko

IMAGE, BATCH = (32, 32, 3), 32
COLUMNS = {
    "variant": ("Variant", ""),
    "milliseconds": ("ms a step", ".2f"),
    "over_alone": ("Over the student alone (quartiles)", ".3f"),
    "over_sum": ("Over student + teacher's forward pass", ".3f"),
}


def network(width):
    layers = keras.layers
    inputs = x = layers.Input(IMAGE)
    for filters, strides in ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1)):
        x = layers.Conv2D(width * filters, 3, strides, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    outputs = layers.Dense(10)(layers.GlobalAveragePooling2D()(x))
    return compiled(keras, keras.Model(inputs, outputs))


def variants(x, y, rounds, steps, folder):
    """Returns functions that start the training of each variant."""
    teacher = network(2)
    cached = ko.distillation.cache(teacher, x, folder, verbose=0)
    distillation = ko.callbacks.Distillation
    taps = [layer.name for layer in teacher.layers if isinstance(layer, keras.layers.ReLU)]

    def of(model, data, *callbacks):
        return lambda: Variant(keras, model(), data(), rounds, steps, callbacks)

    plain = lambda: shuffled_batches(x, y, BATCH)  # noqa: E731
    student = lambda: network(1)  # noqa: E731

    def distiller():
        made = keras.distillation.Distiller(
            teacher, network(1), keras.distillation.LogitsDistillation(temperature=4.0)
        )
        return compiled(keras, made)

    def featured():
        model = network(1)
        ours = [layer.name for layer in model.layers if isinstance(layer, keras.layers.ReLU)]
        features = ko.distillation.Features("hint", [(ours[2], taps[2]), (ours[4], taps[4])])
        callbacks = [distillation(teacher, features=features)]
        return Variant(keras, model, plain(), rounds, steps, callbacks)

    return teacher, {
        "student alone": of(student, plain),
        "student alone, again": of(student, plain),
        "student alone, on a `PyDataset`": of(
            student, lambda: ko.curriculum.CurriculumDataset(x, y, np.zeros(len(x)), BATCH)
        ),
        "cached teacher": of(
            student, lambda: cached.dataset(x, y, batch_size=BATCH), distillation(cached)
        ),
        "teacher in the step": of(student, plain, distillation(teacher)),
        "teacher in the step, two hints": featured,
        "Keras' Distiller": of(distiller, plain),
    }


def forward(teacher, x, rounds):
    """Returns the milliseconds that a teacher takes for a batch, compiled."""
    teacher.predict_on_batch(x[:BATCH])
    batches = [x[i : i + BATCH] for i in range(0, len(x) - BATCH + 1, BATCH)]
    times = []
    for batch in batches * rounds:
        began = time.perf_counter()
        teacher.predict_on_batch(batch)
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=60, help="steps in a round")
    results.add_output(parser, "distillation_step_time")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    x = rng.standard_normal((BATCH * arguments.steps, *IMAGE)).astype("float32")
    y = rng.integers(0, 10, len(x))
    with tempfile.TemporaryDirectory() as folder:
        teacher, made = variants(x, y, arguments.rounds + 1, arguments.steps, folder)
        running = {name: start() for name, start in made.items()}
        times = {name: [] for name in running}
        for turn in range(arguments.rounds + 1):
            for name, variant in running.items():
                milliseconds = variant.run()
                if turn:  # the first one compiles
                    times[name].append(milliseconds)
        pass_over = forward(teacher, x, 1)
    alone = times["student alone"]
    rows = {
        name: {
            "variant": name,
            "milliseconds": statistics.median(each),
            "over_alone": quartiles([a / b for a, b in zip(each, alone, strict=True)]),
            "over_sum": statistics.median(each) / (statistics.median(alone) + pass_over),
        }
        for name, each in times.items()
    }
    rows["forward"] = {"variant": "the teacher's forward pass", "milliseconds": pass_over}
    results.write(arguments.output, COLUMNS, rows)


def quartiles(ratios):
    """Returns the median and the quartiles."""
    low, middle, high = statistics.quantiles(ratios, n=4)
    return [middle, low, high]


if __name__ == "__main__":
    main()
