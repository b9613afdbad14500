"""Records of runs, in files of JSON lines, and what tables say of several seeds."""

import json
import statistics
from pathlib import Path


def append(path, record):
    """Adds a JSON line to a file, so that a benchmark that was ended goes on where it was."""
    with open(path, "a") as file:
        file.write(json.dumps(record) + "\n")


def read(path):
    """Returns the records of a file of JSON lines."""
    path = Path(path)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def recorded(path, key):
    """Whether a record of the file has all items of `key`."""
    return any(key.items() <= record.items() for record in read(path))


def spread(values, error=False):
    """Returns mean and standard deviation, or standard error; the value alone if there is one."""
    values = list(values)
    if len(values) == 1:
        return values[0]
    root = len(values) ** 0.5 if error else 1
    return [round(statistics.mean(values), 4), round(statistics.stdev(values) / root, 4)]


def paired(group, control):
    """Returns mean and standard error of the differences in accuracy between runs of one seed."""
    seeds = [seed for seed in group if seed in control]
    if not seeds:
        return None
    return spread([group[s]["accuracy"] - control[s]["accuracy"] for s in seeds], error=True)
