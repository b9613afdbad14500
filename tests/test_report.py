import sys
import types

import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt.report import to_html
from kerasopt.table import format_table


def model():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="top")], name="net")


X = np.eye(4, dtype="float32")


def results():
    quantized = ko.quantize(model(), "int8", calibration=X, verbose=0)
    compiled = model()
    compiled.compile("sgd", "mse", metrics=["accuracy"])
    data = (X, np.eye(4, 3, dtype="float32"))
    widths = ko.quantization.width_sensitivity(model(), X, widths=(4, 8), verbose=0)
    return {
        "summary": ko.summary(model(), print_fn=str),
        "benchmark": ko.benchmark(model(), (X, np.arange(4) % 3), repeats=1, verbose=0),
        "measure": ko.quantization.measure(quantized, X),
        "compare": ko.compare(model(), quantized, X),
        "sensitivity": ko.sparsity.sensitivity(compiled, data, levels=(0.5,), verbose=0),
        "width_sensitivity": widths,
        "assign": widths.assign(1000),
    }


def test_results_are_tables_in_notebooks_and_short_otherwise():
    for name, result in results().items():
        assert "| ---" in str(result), name
        assert result._repr_markdown_() == str(result), name
        page = result._repr_html_()
        assert "<table>" in page and "top" in page or name == "benchmark", name
        assert repr(result).startswith(f"<{type(result).__name__}: "), name
        assert len(repr(result)) < 200 and "\n" not in repr(result), name


def test_html_is_escaped_and_aligned():
    table = format_table(["<a>", "b"], [["x | y", "1"], ["", "2"]])
    page = to_html(f"Of <models>:\n\n{table}")
    assert page.startswith("<p>Of &lt;models&gt;:</p>\n<table>")
    assert '<th style="text-align: left">&lt;a&gt;</th>' in page
    assert '<td style="text-align: right">2</td>' in page


def test_a_cell_that_has_printed_a_summary_does_not_show_it_again(monkeypatch, capsys):
    shell = types.SimpleNamespace(execution_count=1)
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    report = ko.summary(model())
    assert "Model: net" in capsys.readouterr().out
    assert report._ipython_display_() is None
    shell.execution_count = 2
    with pytest.raises(NotImplementedError):  # then IPython takes the table
        report._ipython_display_()
