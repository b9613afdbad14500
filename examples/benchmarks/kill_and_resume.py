"""Kills a training at random moments, resumes it, and compares the final weights bit by bit.

    python examples/benchmarks/kill_and_resume.py --kills 10

Each trial starts a training process, ends it with SIGKILL at a random moment of its training, and
starts it again with the same backup directory. The table says, for every trial, when the process
was killed, at which epoch it resumed, and how many bytes of the final values (weights, optimizer
state, seeds of the random layers) differ from those of the run that nothing happened to.
"""

import argparse
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
import results

EPOCHS, BATCHES, BATCH_SIZE = 30, 40, 64
TRAINING_BEGINS, RESUMED_AT = "training begins", "resumed at epoch"
COLUMNS = {
    "seconds": ("Killed after (s)", ".1f"),
    "epoch": (f"Resumed at epoch (of {EPOCHS})", "d"),
    "bytes": ("Bytes that differ", "d"),
}


def train(backup_dir: pathlib.Path, result: pathlib.Path):
    """One training with dropout, pruning and quantization, on data that follow from their index."""
    import keras

    import kerasopt as ko

    class Data(keras.utils.PyDataset):
        def __len__(self):
            return BATCHES

        def __getitem__(self, index):
            generator = np.random.default_rng([0, index])
            x = generator.normal(size=(BATCH_SIZE, 20)).astype("float32")
            return x, (x[:, :1] * x[:, 1:2] > 0).astype("float32")

    class Announce(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.epoch = None

        def on_epoch_begin(self, epoch, logs=None):
            if self.epoch is None:
                print(RESUMED_AT, epoch, flush=True)
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if batch == 0:
                print(TRAINING_BEGINS, flush=True)

    # Threads that add in another order change the last bits of a sum.
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((20,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    callbacks = [
        ko.callbacks.BackupAndRestore(backup_dir),
        ko.callbacks.Pruning(ko.schedules.PolynomialDecay(0.0, 0.75, begin="10%", end="60%")),
        ko.callbacks.QuantizationAware("int8", begin="40%"),
        Announce(),
    ]
    model.fit(Data(), epochs=EPOCHS, verbose=0, callbacks=callbacks)
    variables = [*model.variables, *model.optimizer.variables]
    np.savez(result, **{str(i): variable.numpy() for i, variable in enumerate(variables)})


def start(directory: pathlib.Path) -> subprocess.Popen:
    """Starts the training of `directory` in a process of its own."""
    command = [sys.executable, __file__, "--train", str(directory)]
    with open(directory / "errors.txt", "w") as errors:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)


def wait_for(process: subprocess.Popen, announcement: str) -> str:
    """Returns the process' next line that begins with `announcement`."""
    for line in process.stdout:
        if line.startswith(announcement):
            return line.strip()
    errors = pathlib.Path(process.args[-1], "errors.txt").read_text()
    raise SystemExit(f"The training ended with code {process.wait()}.\n{errors}")


def uninterrupted(directory: pathlib.Path) -> tuple[float, list[np.ndarray]]:
    """The seconds from the first batch to the end of training, and the final values."""
    process = start(directory)
    wait_for(process, TRAINING_BEGINS)
    began = time.perf_counter()
    process.communicate()
    return time.perf_counter() - began, final_values(directory)


def killed(directory: pathlib.Path, delay: float) -> bool:
    """Kills the training `delay` seconds after its first batch; whether it was still running."""
    process = start(directory)
    wait_for(process, TRAINING_BEGINS)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return (directory / "backup").exists()  # the end of `fit` deletes it


def resumed(directory: pathlib.Path) -> tuple[int, list[np.ndarray]]:
    """The epoch at which a killed training goes on, and its final values."""
    process = start(directory)
    epoch = int(wait_for(process, RESUMED_AT).removeprefix(RESUMED_AT))
    process.communicate()
    return epoch, final_values(directory)


def final_values(directory: pathlib.Path) -> list[np.ndarray]:
    with np.load(directory / "result.npz") as values:
        return [values[name] for name in values.files]


def differing(values: list[np.ndarray], reference: list[np.ndarray]) -> int:
    """The number of bytes that are not equal."""
    return sum(
        int(np.sum(a.reshape(-1).view("uint8") != b.reshape(-1).view("uint8")))
        for a, b in zip(values, reference, strict=True)
    )


def main(kills: int, seed: int, output: pathlib.Path) -> int:
    """Returns the number of trials that end with other values; writes the table."""
    rows, moments = {}, random.Random(seed)
    with tempfile.TemporaryDirectory() as root:
        directory = pathlib.Path(root)
        (directory / "reference").mkdir()
        seconds, reference = uninterrupted(directory / "reference")
        size = sum(value.nbytes for value in reference)
        print(f"uninterrupted: {EPOCHS} epochs in {seconds:.1f} s, {size:,} bytes")
        for trial in range(kills):
            (directory / str(trial)).mkdir()
            delay = moments.uniform(0, seconds)
            while not killed(directory / str(trial), delay):
                delay = moments.uniform(0, seconds)
            epoch, values = resumed(directory / str(trial))
            difference = differing(values, reference)
            rows[str(trial)] = {"seconds": delay, "epoch": epoch, "bytes": difference}
    results.write(output, COLUMNS, rows)
    return sum(row["bytes"] > 0 for row in rows.values())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10, help="number of trials")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    parser.add_argument("--train", type=pathlib.Path, help=argparse.SUPPRESS)
    results.add_output(parser, "kill_and_resume")
    arguments = parser.parse_args()
    if arguments.train:
        train(arguments.train / "backup", arguments.train / "result.npz")
    else:
        sys.exit(main(arguments.kills, arguments.seed, arguments.output))
