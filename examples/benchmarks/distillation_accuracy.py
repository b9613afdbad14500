"""Accuracy of a distilled network on Fashion-MNIST, alone, with Keras' Distiller, with each loss.

The student is the network of the other accuracy benchmarks (19,000 parameters), the teacher a
residual one of 364,000 that was trained on shifted and mirrored images. Its outputs and features
are cached once. Settings are those that the papers publish, not tuned here. A line of JSON per
result goes to `distillation.jsonl` in the folder, and what is there already is not repeated.

    python examples/benchmarks/distillation_accuracy.py --folder runs --runs teacher
    python examples/benchmarks/distillation_accuracy.py --folder runs --runs alone kl dkd
    python examples/benchmarks/distillation_accuracy.py --folder runs --labels none --runs kl
    python examples/benchmarks/distillation_accuracy.py --folder runs --table
"""

import argparse
from pathlib import Path

import fashion_mnist_task as task
import keras
import numpy as np
import records
import results

import kerasopt as ko

EPOCHS, TEACHER_EPOCHS, RATE = 12, 24, 1e-3
TAPS = {"middle": "block_2", "last": "block_3"}  # 14×14×64 and 7×7×128, to the student's
DISTILLATION, LOSSES = ko.callbacks.Distillation, ko.distillation
LABELS = ("full", "quarter", "none")


def features(loss, weight):
    """Returns a distillation of outputs and features."""
    pairs = [("middle", TAPS["middle"]), ("last", TAPS["last"])]
    return {"alpha": 0.5, "features": LOSSES.Features(loss, pairs, weight)}


# Arguments of `Distillation`, made anew for each run.
METHODS = {
    "kl": lambda: {"alpha": 0.9},
    "kl, T=2": lambda: {"alpha": 0.9, "temperature": 2.0},
    "kl, standardized": lambda: {
        "alpha": 0.9,
        "loss": LOSSES.KLDivergence(temperature=2.0, standardize=True),
    },
    "dkd": lambda: {"alpha": 0.5, "loss": LOSSES.Decoupled(beta=2.0)},
    "dkd, standardized": lambda: {
        "alpha": 0.9,
        "loss": LOSSES.Decoupled(beta=2.0, temperature=2.0, standardize=True),
    },
    "dist": lambda: {"alpha": 2 / 3, "loss": "dist"},
    "logits_mse": lambda: {"alpha": 0.9, "loss": "logits_mse"},
    "hint": lambda: features("hint", 10.0),
    "attention_transfer": lambda: features("attention_transfer", 10.0),
    "similarity": lambda: features("similarity", 3000.0),
    "relational": lambda: features("relational", 25.0),
    "cosine": lambda: features("cosine", 1.0),
    "normalized": lambda: features("normalized", 1.0),
}
COLUMNS = {
    "labels": ("Labels", ""),
    "method": ("Method", ""),
    "seeds": ("Seeds", "d"),
    "accuracy": ("Accuracy (%)", ".2f"),
    "less_alone": ("Less alone", ".2f"),
    "less_keras": ("Less Keras' Distiller", ".2f"),
}


class Shifted(keras.utils.PyDataset):
    """Batches of images that are shifted by up to two pixels, and half of them mirrored."""

    def __init__(self, x, y, size):
        super().__init__()
        self.x, self.y, self.size, self.epoch = x, y, size, 0

    def __len__(self):
        return len(self.x) // self.size

    def on_epoch_end(self):
        self.epoch += 1

    def __getitem__(self, index):
        order = np.random.default_rng(self.epoch).permutation(len(self.x))
        chosen = order[index * self.size : (index + 1) * self.size]
        rng = np.random.default_rng([self.epoch, index])
        padded = np.pad(self.x[chosen], ((0, 0), (2, 2), (2, 2), (0, 0)))
        shifts = rng.integers(0, 5, (self.size, 2))
        pairs = zip(padded, shifts, strict=True)
        images = np.stack([image[i : i + 28, j : j + 28] for image, (i, j) in pairs])
        mirrored = rng.random(self.size) < 0.5
        images[mirrored] = images[mirrored, :, ::-1]
        return images, self.y[chosen]


def train_teacher(path, data):
    """Trains the teacher, and saves it."""
    (x, y), test = data
    keras.utils.set_random_seed(0)
    model = task.teacher_network(keras)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, TEACHER_EPOCHS * (len(x) // task.BATCH))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=5e-3)
    model.compile(optimizer, loss, metrics=["accuracy"])
    model.fit(Shifted(x, y, task.BATCH), epochs=TEACHER_EPOCHS, verbose=2)
    model.save(path)
    accuracy = model.evaluate(*test, batch_size=500, verbose=0)[1]
    return {"accuracy": round(100 * accuracy, 2), "parameters": model.count_params()}


def student():
    """Returns the network, with names for what is compared."""
    model = task.network(keras)
    rectified = [layer for layer in model.layers if isinstance(layer, keras.layers.ReLU)]
    rectified[4].name, rectified[6].name = "middle", "last"
    return model


def run(folder, data, method, labels, seed):
    """Trains one student; returns its accuracy."""
    (x, y), test = data
    if labels == "quarter":
        x, y = x[: len(x) // 4], y[: len(y) // 4]
    teacher = keras.saving.load_model(folder / "teacher.keras")
    keras.utils.set_random_seed(seed)
    model = student()
    decay = keras.optimizers.schedules.CosineDecay(RATE, EPOCHS * -(-len(x) // task.BATCH))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    options = {"epochs": EPOCHS, "verbose": 0, "shuffle": False}
    if method == "keras":
        losses = keras.distillation.LogitsDistillation(temperature=4.0)
        model = keras.distillation.Distiller(teacher, model, losses, student_loss_weight=0.1)
        trained = model.student
    else:
        trained = model
    metrics = [] if labels == "none" else ["accuracy"]
    model.compile(keras.optimizers.Adam(decay), None if labels == "none" else loss, metrics=metrics)
    if method in METHODS:
        cached = LOSSES.cache(
            teacher, x, folder / f"cache_{len(x)}", taps=[*TAPS.values()], batch_size=500
        )
        given = METHODS[method]() | ({"alpha": 1.0} if labels == "none" else {})
        batches = cached.dataset(
            x, None if labels == "none" else y, batch_size=task.BATCH, seed=seed
        )
        model.fit(batches, callbacks=[DISTILLATION(cached, **given)], **options)
    else:
        model.fit(task.shuffled_batches(x, y, task.BATCH), **options)
    found = trained.predict(test[0], batch_size=500, verbose=0).argmax(-1)
    return {"accuracy": round(100 * float(np.mean(found == test[1])), 2)}


def rows(log):
    """Returns the results, by labels and method."""
    groups = {}
    for record in records.read(log):
        key = record["labels"], record["method"]
        groups.setdefault(key, {})[record["seed"]] = record
    made = {}
    for (labels, method), group in sorted(
        groups.items(), key=lambda item: LABELS.index(item[0][0])
    ):
        row = {"labels": labels, "method": method, "seeds": len(group)}
        row["accuracy"] = records.spread([record["accuracy"] for record in group.values()])
        for column, control in (("less_alone", "alone"), ("less_keras", "keras")):
            if (labels, control) in groups and control != method:
                row[column] = records.paired(group, groups[labels, control])
        made[f"{labels}:{method}"] = row
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="of the teacher and results")
    parser.add_argument("--runs", nargs="*", default=[], help=f"of {['alone', 'keras', *METHODS]}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--labels", choices=LABELS, default="full")
    parser.add_argument("--table", action="store_true", help="write all results of the folder")
    results.add_output(parser, "distillation_accuracy")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    log = arguments.folder / "distillation.jsonl"
    data = task.load() if arguments.runs else None
    for method in arguments.runs:
        for seed in [0] if method == "teacher" else arguments.seeds:
            key = {"method": method, "labels": arguments.labels, "seed": seed}
            if records.recorded(log, key):
                continue
            if method == "teacher":
                figures = train_teacher(arguments.folder / "teacher.keras", data)
            else:
                figures = run(arguments.folder, data, **key)
            records.append(log, {**key, **figures})
            print(key, figures, flush=True)
    if arguments.table:
        results.write(arguments.output, COLUMNS, rows(log))


if __name__ == "__main__":
    main()
