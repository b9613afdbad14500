"""Runs a file in another runtime, as a script whose argument is the path of its `run.py`.

It imports nothing of kerasopt, whose Keras takes seconds to load. `run.py` has two functions:
`load()` imports the runtime, `answer(path, arrays, **options)` returns what `json` can write, and
arrays. The request comes as JSON on standard input; the answer is written to the folder it names.
"""

import json
import os
import resource
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np


def main() -> None:
    """Answers one request."""
    module = runpy.run_path(sys.argv[1])
    module["load"]()
    request = json.loads(sys.stdin.read() or "null")
    if request is None:  # whoever asked failed before there was a file
        return
    _limit_memory()
    folder = Path(request["folder"])
    arrays: list[Any] = [np.load(folder / f"in{i}.npy") for i in range(request["count"])]
    try:
        content, arrays = module["answer"](request["path"], arrays, **request["options"])
        for index, array in enumerate(arrays):
            np.save(folder / f"out{index}.npy", array, allow_pickle=False)
        answer = {"content": content, "count": len(arrays)}
    except Exception as error:  # whatever a file of others makes a parser raise
        answer = {"error": f"{type(error).__name__}: {error}"}
    (folder / "answer.json").write_text(json.dumps(answer))


def _limit_memory() -> None:
    """Limits memory: a size that damage made huge fails here, before the system kills processes."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for kind, limit in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)):
        _, most = resource.getrlimit(kind)
        resource.setrlimit(kind, (limit if most < 0 else min(limit, most), most))


if __name__ == "__main__":
    main()
