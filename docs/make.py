"""Puts the figures of `docs/results/*.json`, and what the code says, into README and pages.

A figure stands between two comments, which name a file, a row and a column; or, with two words, a
file and one of the facts beside its rows:

    <!-- results: pruning_accuracy lamp:0.8:4 accuracy -->87.64 ± 0.14<!-- end -->
    <!-- results: step_time machine -->two cores of an Intel Xeon<!-- end -->

A table stands on lines of its own. Rows are globs, in the order in which they are written; columns
follow a bar, or are all that the file has:

    <!-- results: pruning_accuracy uniform:0.8:4 *:0.9:4 | zeros method accuracy -->
    <!-- end -->

The choices along an axis are a table, too, of their aliases and summaries:

    <!-- choices: kerasopt.sparsity.criteria.CRITERIA -->
    <!-- end -->

    python docs/make.py            # rewrites the pages that are out of date
    python docs/make.py --check    # changes nothing; ends with 1 and names them
"""

import argparse
import fnmatch
import functools
import importlib
import json
import os
import re
import shlex
import sys
import warnings
from pathlib import Path

# The tables of choices need no TensorFlow, and no gradients.
os.environ.setdefault("KERAS_BACKEND", "numpy")
warnings.filterwarnings("ignore", message="`custom_gradient` for the numpy backend")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "examples" / "benchmarks"))
import results  # noqa: E402

OPENED = re.compile("<!-- (results|choices): ")
MARKED = re.compile(
    r"<!-- (?P<kind>results|choices): (?P<words>.*?) -->(?P<text>.*?)<!-- end -->", re.DOTALL
)
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


@functools.cache
def load(name: str) -> dict:
    return json.loads((results.FOLDER / f"{name}.json").read_text())


def made(page: str) -> str:
    """Returns the page with the figures that the files have today.

    Raises:
        ValueError: If a file, row or column is not there, or a figure has no end.
    """
    if len(OPENED.findall(page)) != len(MARKED.findall(page)):
        raise ValueError("a `<!-- results: … -->` has no `<!-- end -->`")
    return MARKED.sub(_marked, page)


def _marked(match: re.Match) -> str:
    kind, words, is_table = match["kind"], match["words"], match["text"].startswith("\n")
    try:
        if kind == "choices":
            text = f"\n{_choices(words)}\n"
        else:
            text = f"\n{_table(words)}\n" if is_table else _figure(words)
    except (KeyError, ValueError, OSError, ImportError) as error:
        raise ValueError(f"`{kind}: {words}` cannot be read: {error!r}") from error
    return f"<!-- {kind}: {words} -->{text}<!-- end -->"


def _axis(room: str):
    module, _, name = room.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _choices(room: str) -> str:
    rows = ["| Alias | Class | Summary |", "| --- | --- | --- |"]
    for cls, aliases in _axis(room).listed():
        written = ", ".join(f'`"{alias}"`' for alias in aliases)
        summary = cls.__doc__.splitlines()[0].replace("|", r"\|")
        rows.append(f"| {written} | `{cls.__name__}` | {summary} |")
    return "\n".join(rows)


def _table(words: str) -> str:
    chosen, _, names = words.partition("|")
    name, *globs = shlex.split(chosen)
    file = load(name)
    columns = {name: file["columns"][name] for name in names.split() or file["columns"]}
    rows = [row for glob in globs or "*" for row in _matching(file["rows"], glob)]
    return results.markdown(columns, rows)


def _matching(rows: dict, glob: str) -> list[dict]:
    found = [row for name, row in rows.items() if fnmatch.fnmatchcase(name, glob)]
    if not found:
        raise ValueError(f"no row matches {glob!r}")
    return found


def _figure(words: str) -> str:
    name, *keys = shlex.split(words)
    file = load(name)
    if len(keys) == 1:
        return str(file[keys[0]])
    row, column = keys
    return results.cell(file["rows"][row][column], file["columns"][column][1])


def loose(page: str) -> list[str]:
    """Returns the means and deviations that stand in a page by hand."""
    return re.findall(r"[−\d.]+ ± [\d.]+", FENCED.sub("", MARKED.sub("", page)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    arguments = parser.parse_args()
    complaints = []
    for path in (*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))):
        page, name = path.read_text(), path.relative_to(ROOT)
        try:
            new = made(page)
        except ValueError as error:
            complaints.append(f"{name}: {error}.")
            continue
        if figures := loose(new):
            complaints.append(f"{name} has figures of no file in docs/results: {figures}.")
        if new != page and arguments.check:
            complaints.append(f"{name} is out of date: run `python docs/make.py`.")
        elif new != page:
            path.write_text(new)
            print(f"{name} rewritten.")
    sys.exit("\n".join(complaints) or None)


if __name__ == "__main__":
    main()
