"""Time of a training step with kerasopt's callbacks over that of plain `fit`, beside tfmot.

The model is a CNN of five convolutions (32×32×3, batch 32, Adam), or the depthwise one of the
accuracy benchmarks (28×28×1, batch 128). All variants train in turns of one epoch, many times over,
so that whatever else the machine does meets all of them; a figure is the median of the ratios to
the plain model's epoch of the same turn, with their quartiles.
tensorflow-model-optimization switches a process to Keras 2, so it runs in one of its own, which
waits for its turn.

    python examples/benchmarks/step_time.py --rounds 21              # jit off
    python examples/benchmarks/step_time.py --rounds 15 --steps 30 --jit \
        --output docs/results/step_time_jit.json
    python examples/benchmarks/step_time.py --only QAT "QAT, LSQ" "tfmot QAT" \
        --output docs/results/step_time_quantizers.json              # and with --network depthwise
"""

import argparse
import functools
import json
import os
import subprocess
import sys
import threading
import time

import fashion_mnist_task
import numpy as np
import results
from batches import shuffled_batches


def convolutional(keras):
    """Returns the CNN; the same code for Keras 3 and for Keras 2."""
    layers = keras.layers
    inputs = x = layers.Input((32, 32, 3))
    for filters, strides in ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1)):
        x = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    outputs = layers.Dense(10)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, outputs)


COLUMNS = {
    "variant": ("Variant", ""),
    "milliseconds": ("ms a step", ".2f"),
    "over_plain": ("Over plain (quartiles)", ".3f"),
}
# The networks, with the shape of an image and the size of a batch.
NETWORKS = {
    "convolutional": (convolutional, (32, 32, 3), 32),
    "depthwise": (functools.partial(fashion_mnist_task.network, fused=False), (28, 28, 1), 128),
}


def compiled(keras, model, **options):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(), loss, **options)
    return model


def data(network, steps):
    _, image, batch = NETWORKS[network]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch * steps, *image)).astype("float32")
    return shuffled_batches(x, rng.integers(0, 10, batch * steps), batch)


class Variant:
    """A model that trains one epoch at a time: one `fit`, in a thread that waits for its turn."""

    def __init__(self, keras, model, data, rounds, steps, callbacks=()):
        self.steps, self.ticks = steps, []
        self.turn, self.done = threading.Semaphore(0), threading.Semaphore(0)
        begin = keras.callbacks.LambdaCallback(on_epoch_begin=self._begin)
        end = keras.callbacks.LambdaCallback(on_epoch_end=self._end)
        callbacks = [begin, *callbacks, end]
        options = {"epochs": rounds, "verbose": 0, "shuffle": False, "callbacks": callbacks}
        fit = functools.partial(model.fit, data, **options)
        threading.Thread(target=fit, daemon=True).start()

    def _begin(self, *_):
        self.turn.acquire()
        self.ticks.append(time.perf_counter())

    def _end(self, *_):
        self.ticks.append(time.perf_counter())
        self.done.release()

    def run(self):
        """Trains an epoch; returns the milliseconds of a step."""
        self.ticks.clear()
        self.turn.release()
        self.done.acquire()
        return 1000 * (self.ticks[1] - self.ticks[0]) / self.steps


def kerasopt_variants(network, rounds, steps, jit):
    import keras

    import kerasopt as ko

    end = rounds * steps
    schedule = ko.schedules.PolynomialDecay(0.0, 0.8, begin=0, end=end, frequency=50)
    callbacks = {
        "plain": [],
        "plain again": [],
        "Pruning": [ko.callbacks.Pruning(schedule)],
        "Pruning, saliency": [ko.callbacks.Pruning(schedule, criterion="saliency")],
        "Pruning, Wanda": [ko.callbacks.Pruning(schedule, criterion="wanda")],
        "Pruning, RigL": [
            ko.callbacks.Pruning(0.8, criterion="random", regrowth=ko.sparsity.RigL(frequency=50))
        ],
        "QAT": [ko.callbacks.QuantizationAware("int8", begin=0, freeze=end + 1)],
        "QAT, LSQ": [
            ko.callbacks.QuantizationAware(
                "int8",
                begin=1,
                freeze=end + 1,
                weight_quantizer="lsq",
                activation_quantizer="lsq",
            )
        ],
    }
    build = lambda: NETWORKS[network][0](keras)  # noqa: E731
    return {
        name: lambda members=members: Variant(
            keras,
            compiled(keras, build(), jit_compile=jit),
            data(network, steps),
            rounds,
            steps,
            members,
        )
        for name, members in callbacks.items()
    }


def tfmot_worker(network, rounds, steps):
    """Runs an epoch of the variant that each line on stdin names; answers in milliseconds."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import tensorflow_model_optimization as tfmot
    import tf_keras as keras

    pruning, quantize = tfmot.sparsity.keras, tfmot.quantization.keras.quantize_model
    schedule = pruning.PolynomialDecay(0.0, 0.8, 0, 1000, frequency=50)
    build = lambda: NETWORKS[network][0](keras)  # noqa: E731
    models = {
        "tfmot plain": (build(), []),
        "tfmot prune": (
            pruning.prune_low_magnitude(build(), schedule),
            [pruning.UpdatePruningStep()],
        ),
        "tfmot QAT": (quantize(build()), []),
    }
    variants = {
        name: Variant(keras, compiled(keras, model), data(network, steps), rounds, steps, callbacks)
        for name, (model, callbacks) in models.items()
    }
    print(json.dumps(list(variants)), flush=True)
    for line in sys.stdin:
        print(variants[line.strip()].run(), flush=True)


class Tfmot:
    """The process in which tfmot runs."""

    def __init__(self, network, rounds, steps):
        sizes = ["--network", network, "--rounds", str(rounds), "--steps", str(steps)]
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--tfmot-worker", *sizes],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.names = json.loads(self.process.stdout.readline())

    def run(self, name):
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, default="convolutional")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=60, help="steps in a round")
    parser.add_argument("--jit", action="store_true", help="compile the step with XLA")
    parser.add_argument("--only", nargs="+", help="variants beside the plain ones")
    parser.add_argument("--tfmot-worker", action="store_true", help=argparse.SUPPRESS)
    results.add_output(parser, "step_time")
    arguments = parser.parse_args()
    sizes = arguments.network, arguments.rounds, arguments.steps
    if arguments.tfmot_worker:
        return tfmot_worker(*sizes)
    times = measure(*sizes, arguments.jit, arguments.only)
    results.write(arguments.output, COLUMNS, rows(times))


def measure(network, rounds, steps, jit, only):
    """Returns the milliseconds of a step, a list over the rounds for each variant."""
    chosen = lambda name: not only or "plain" in name or name in only  # noqa: E731
    rounds += 1  # the first one traces
    makers = kerasopt_variants(network, rounds, steps, jit)
    runs = {name: make().run for name, make in makers.items() if chosen(name)}
    if not jit and any(name.startswith("tfmot") for name in only or ["tfmot"]):
        tfmot = Tfmot(network, rounds, steps)
        names = [name for name in tfmot.names if chosen(name)]
        runs |= {name: lambda name=name: tfmot.run(name) for name in names}
    times = {name: [] for name in runs}
    for turn in range(rounds):
        for name, run in runs.items():
            milliseconds = run()
            if turn:
                times[name].append(milliseconds)
    return times


def rows(times):
    """Returns a row for each variant, by its name."""
    made = {}
    for name, values in times.items():
        base = np.array(times["tfmot plain" if name.startswith("tfmot") else "plain"])
        over_plain = np.percentile(np.array(values) / base, (50, 25, 75)).tolist()
        made[name] = {
            "variant": name,
            "milliseconds": float(np.median(values)),
            "over_plain": over_plain,
        }
    return made


if __name__ == "__main__":
    main()
