import sys

import numpy as np
import pytest

from kerasopt.sparsity import Sensitivity


def make_curves(scores, baseline=0.9, mode="max", **options):
    sizes = dict.fromkeys(scores, 1000)
    return Sensitivity("accuracy", mode, baseline, (0.5, 0.75, 0.9), scores, sizes, **options)


def test_the_suggestion_is_the_highest_level_within_the_budget():
    curves = make_curves(
        {
            "robust": [0.91, 0.9, 0.89],
            "middle": [0.9, 0.895, 0.8],
            "fragile": [0.88, 0.7, 0.1],
            "recovers": [0.9, 0.5, 0.9],
            "broken": [float("nan")] * 3,
        }
    )
    assert curves.suggest(0.01) == [
        ("robust", 0.9),
        ("middle", 0.75),
        ("fragile", None),
        ("recovers", 0.5),
        ("broken", None),
    ]
    assert dict(curves.suggest(0.02))["fragile"] == 0.5
    with pytest.raises(ValueError, match="non-negative.*Received: budget=-0.1"):
        curves.suggest(-0.1)


def test_of_a_loss_less_is_better():
    curves = make_curves({"a": [0.3, 0.405, 0.6]}, baseline=0.4, mode="min")
    assert curves.suggest(0.01) == [("a", 0.75)]


def test_the_table_has_a_row_for_each_layer():
    curves = make_curves({"a": [0.91, 0.9, 0.89], "block/conv": [0.9, 0.895, 0.8]})
    assert str(curves) == (
        "accuracy with one layer pruned (unpruned: 0.9000)\n"
        "\n"
        "| layer      | weights |    50% |    75% |    90% |\n"
        "| ---------- | ------: | -----: | -----: | -----: |\n"
        "| a          |   1,000 | 0.9100 | 0.9000 | 0.8900 |\n"
        "| block/conv |   1,000 | 0.9000 | 0.8950 | 0.8000 |"
    )


def test_the_figure_names_the_most_sensitive_layers(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    curves = make_curves({f"layer{i}": [0.9, 0.9, 0.9 - i / 20] for i in range(12)})
    axes = curves.plot(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [f"layer{i}" for i in range(11, 3, -1)] + ["4 more", "baseline"]
    (line,) = [line for line in axes.lines if line.get_label() == "layer9"]
    np.testing.assert_allclose(line.get_xdata(), [0.0, 0.5, 0.75, 0.9])
    np.testing.assert_allclose(line.get_ydata(), [0.9, 0.9, 0.9, 0.45])


def test_without_matplotlib_the_figure_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "kerasopt\[plot\]"'):
        make_curves({"a": [0.9, 0.9, 0.9]}).plot()
