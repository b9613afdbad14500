"""How the benchmark scripts report: a table on stdout, and the same as JSON.

`docs/results/<name>.json` is the one place of a figure; `docs/make.py` puts it into the pages. A
file says where and when it was measured, and has rows, each under a name. A cell is a text, a
number, a pair (mean and deviation, or standard error), or a triple (median and quartiles).
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "results"

# A name for each column, and its title and the format of its numbers.
Columns = Mapping[str, Sequence[str]]
Rows = Mapping[str, Mapping]


def add_output(parser: argparse.ArgumentParser, name: str) -> None:
    """Adds `--output`, the file that `write` takes."""
    path = FOLDER / f"{name}.json"
    described = f"JSON file to write (default: {path.relative_to(ROOT)})"
    parser.add_argument("--output", type=Path, default=path, help=described)


def write(path: Path, columns: Columns, rows: Rows) -> None:
    """Prints the rows as a table, and saves them."""
    save(path, columns, rows)
    print(f"\n{markdown(columns, rows.values())}\n\nWritten to {path}.")


def save(path: Path, columns: Columns, rows: Rows) -> None:
    """Writes the rows, and what they were measured with."""
    about = {
        "command": f"python {Path(sys.argv[0]).resolve().relative_to(ROOT)} "
        + shlex.join(sys.argv[1:]),
        "date": datetime.date.today().isoformat(),
        "machine": _machine(),
        "versions": {name: importlib.metadata.version(name) for name in ("keras", "tensorflow")},
        "columns": columns,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dumps(about, rows))


def dumps(about: Mapping, rows: Rows) -> str:
    """Lays out a file with a line for each row."""
    entries = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in about.items()]
    lines = [f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items()]
    return "{\n" + ",\n".join([*entries, ' "rows": {\n' + ",\n".join(lines) + "\n }"]) + "\n}\n"


def read(path: Path) -> dict[str, dict]:
    """Returns the rows of a file, none if it is not there: networks are measured one by one."""
    return json.loads(path.read_text())["rows"] if path.exists() else {}


def markdown(columns: Columns, rows) -> str:
    """Returns a table; what has a number's format stands on the right."""
    titles, styles = zip(*columns.values(), strict=True)
    lines = [titles, ["---:" if style else "---" for style in styles]]
    lines += [[cell(row.get(name), columns[name][1]) for name in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value, style: str) -> str:
    """Formats what is in a cell."""
    if value is None or isinstance(value, str):
        return value or ""
    numbers = value if isinstance(value, Sequence) else [value]
    first, *others = (format(number, style).replace("-", "−") for number in numbers)
    if len(others) == 2:
        return f"{first} ({others[0]}–{others[1]})"
    return " ± ".join([first, *others])


def _machine() -> str:
    """The processor, and the cores that this process may use."""
    info = Path("/proc/cpuinfo")
    names = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(": ")[2] for line in names if line.startswith("model name")]
    return f"{(models or [platform.processor()])[0]}, {len(os.sched_getaffinity(0))} cores"
