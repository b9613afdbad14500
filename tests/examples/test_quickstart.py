"""The main job, small: the quickstart runs from data to table, files and logs."""

import json
import sys
from pathlib import Path

import keras
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def quickstart(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    import quickstart

    yield quickstart
    for name in ("quickstart", "data", "data.fashion_mnist"):
        sys.modules.pop(name, None)


def test_one_run_ends_with_table_models_and_logs(quickstart, monkeypatch, tmp_path, capsys):
    load_data = quickstart.load_data
    monkeypatch.setattr(
        quickstart, "load_data", lambda full: [(x[:640], y[:640]) for x, y in load_data(full)]
    )
    monkeypatch.setattr(quickstart, "EPOCHS", 4)
    monkeypatch.setattr(quickstart, "TEACHER_EPOCHS", 1)
    monkeypatch.setattr(sys, "argv", ["quickstart.py", "--output", str(tmp_path)])
    quickstart.main()

    printed = capsys.readouterr().out
    assert "| Accuracy " in printed and "Latency, batch 256" in printed
    assert str(tmp_path / "logs") in printed

    models = json.loads((tmp_path / "report.json").read_text())["models"]
    baseline, int8 = models["baseline"], models["pruned int8"]
    assert baseline["sparsity"] < 0.01 and int8["sparsity"] >= 0.75
    assert int8["gzip_bytes"] <= baseline["gzip_bytes"] / 6
    x, y = quickstart.load_data(False)[1]
    for name, figures in models.items():
        model = keras.models.load_model(tmp_path / f"{name.replace(' ', '_')}.keras")
        accuracy = (model.predict(x, batch_size=256, verbose=0).argmax(-1) == y).mean()
        assert accuracy == pytest.approx(figures["accuracy"], abs=1e-9)
    assert "pruned_int8.tflite" in printed and "100.000% of values are equal" in printed
    assert list((tmp_path / "logs").rglob("events.out.tfevents.*"))
