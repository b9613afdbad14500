"""A cache whose writing was killed, or whose disk is full, goes on where it was."""

import json
import os
import resource
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import processes
import pytest
from distillation.caching.problem import N, X, cache, contents, model

from kerasopt.distillation.caching import writing

WRITE = """
import sys
import time
from distillation.caching.problem import cache, model
from kerasopt.distillation.caching import writing

teacher, folder, seconds, options = model(), sys.argv[1], float(sys.argv[2]), eval(sys.argv[3])
writing._COMMIT_SECONDS = 0.0
as_it_was = writing.reader

def slow(*arguments):
    read = as_it_was(*arguments)
    def delayed(x):
        time.sleep(seconds)
        return read(x)
    return delayed

writing.reader = slow
print("begins", flush=True)
cache(teacher, folder, **options)
"""
NOISE = "__import__('keras').layers.GaussianNoise(0.1)"


def killed(folder, options, rows):
    """Kills a process that writes a cache as soon as a number of rows is certain."""
    paths = os.pathsep.join(filter(None, [str(processes.TESTS), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(folder), "0.1", options],
        env={**os.environ, "PYTHONPATH": paths},
    )
    manifest = folder / "teacher_cache.json"
    while not manifest.exists() or json.loads(manifest.read_text())["rows"] < rows:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    state = json.loads(manifest.read_text())
    assert rows <= state["rows"] < N * (2 if "views" in options else 1)
    assert not state["is_complete"]


@pytest.mark.parametrize("options", ["{}", f"{{'views': 2, 'augment': {NOISE}}}"])
def test_killed_and_resumed_has_the_same_bytes(tmp_path, options):
    killed(tmp_path / "killed", options, rows=16 if options == "{}" else 58)
    for column in (tmp_path / "killed").glob("*.bin"):
        with open(column, "ab") as file:
            file.write(b"not certain")  # as the system may have written, before it died
    arguments = eval(options)
    cache(model(), tmp_path / "killed", batch_size=50 if options == "{}" else 8, **arguments)
    cache(model(), tmp_path / "whole", **arguments)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def interrupted(folder, monkeypatch, batches=3):
    """Ends the writing of a cache by an exception after some batches."""
    read = keras.Model.predict_on_batch
    left = iter(range(batches))

    def failing(self, x):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return read(self, x)

    monkeypatch.setattr(writing, "_COMMIT_SECONDS", 0.0)
    monkeypatch.setattr(keras.Model, "predict_on_batch", failing)
    with pytest.raises(KeyboardInterrupt):
        cache(model(), folder)
    monkeypatch.undo()


def test_half_written_by_another_teacher_is_refused(tmp_path, monkeypatch):
    interrupted(tmp_path / "cache", monkeypatch)
    with pytest.raises(ValueError, match="the teacher's weights is"):
        cache(model(seed=1), tmp_path / "cache")


def test_only_the_rest_is_computed(tmp_path, monkeypatch):
    interrupted(tmp_path / "cache", monkeypatch)
    asked = []
    read = keras.Model.predict_on_batch
    monkeypatch.setattr(
        keras.Model, "predict_on_batch", lambda self, x: asked.append(len(x)) or read(self, x)
    )
    cache(model(), tmp_path / "cache")
    assert asked == [8, 8, 8, 2]


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b + b"0", lambda b: b""])
def test_columns_of_another_size_are_never_taken_for_whole(tmp_path, damage):
    cache(model(), tmp_path / "cache")
    (column,) = (tmp_path / "cache").glob("*.bin")
    column.write_bytes(damage(column.read_bytes()))
    with pytest.raises(ValueError, match=r"damaged: 'outputs_0_values\.bin'"):
        cache(model(), tmp_path / "cache")


def test_lost_rows_of_a_half_written_cache_are_noticed(tmp_path, monkeypatch):
    interrupted(tmp_path / "cache", monkeypatch)
    (column,) = (tmp_path / "cache").glob("*.bin")
    column.write_bytes(column.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"damaged: 'outputs_0_values\.bin' is shorter"):
        cache(model(), tmp_path / "cache")


def test_a_damaged_manifest_is_noticed(tmp_path):
    cache(model(), tmp_path / "cache")
    (tmp_path / "cache" / "teacher_cache.json").write_text('{"rows"')
    with pytest.raises(ValueError, match="cannot be read"):
        cache(model(), tmp_path / "cache")


def test_a_disk_that_fills_leaves_a_cache_that_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_COMMIT_SECONDS", 0.0)
    teacher = model(classes=400)  # 3,200 bytes in float16 of each batch
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        with pytest.raises(OSError, match=r"The disk is full.* 24 rows of the cache are"):
            cache(teacher, tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    cache(teacher, tmp_path / "cache")
    cache(teacher, tmp_path / "whole")
    assert contents(tmp_path / "cache") == contents(tmp_path / "whole")


def test_too_little_room_is_noticed_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(writing.shutil, "disk_usage", lambda path: type("", (), {"free": 299}))
    with pytest.raises(OSError, match="300 bytes are needed, 299 bytes are free"):
        cache(model(), tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())
    monkeypatch.undo()
    assert cache(model(), tmp_path / "cache").read(np.arange(N))["outputs"].shape == (len(X), 3)
