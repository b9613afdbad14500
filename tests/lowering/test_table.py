"""The table of inference layers against their modules, patterns, writers and documentation."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import keras
import pytest

import kerasopt as ko
from kerasopt import inference
from kerasopt.inference.binary import BinaryDense
from kerasopt.inference.sparse import SparseDense
from kerasopt.lowering import patterns as rooms
from kerasopt.lowering.table import CONVERTED, ROWS, Unsupported, patterns

SUFFIXES = {"litert": "tflite", "onnx": "onnx"}
PAGE = Path(__file__).parents[2] / "docs" / "lowering" / "README.md"


def modules(package):
    names = [each.name for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    return [importlib.import_module(name) for name in names]


def layers_of(module):
    """The layers that files know, which a module defines; links that hold weights are none."""
    return {
        cls
        for cls in vars(module).values()
        if inspect.isclass(cls)
        and issubclass(cls, keras.Layer)
        and not issubclass(cls, ko.parametrization.Parametrization)
        and cls.__module__ == module.__name__
        and keras.saving.get_registered_name(cls) != cls.__name__
    }


def test_every_layer_has_one_row():
    found = set().union(*map(layers_of, modules(inference)))
    assert {row.layer for row in ROWS} == found and len(ROWS) == len(found)


def test_every_pattern_is_tried():
    found = {module.__name__ for module in modules(rooms) if hasattr(module, "matches")}
    assert {module.__name__ for module in patterns().values()} == found


@pytest.mark.parametrize("format", SUFFIXES)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.layer.__name__)
def test_every_layer_has_a_writer_or_says_why_not(row, format):
    writer = getattr(row, format)
    if isinstance(writer, Unsupported):
        assert writer.reason
    elif writer == CONVERTED:
        assert not issubclass(row.layer, inference.InferenceLayer)
    else:
        function = pkgutil.resolve_name(f"kerasopt.exporters.{format}.operators.{writer}")
        assert list(inspect.signature(function).parameters)[:2] == ["node", "writer"]


def test_the_page_has_every_layer():
    table = PAGE.read_text().split("| group of the model |")[1].split("\n\n")[0]
    cells = [line.split("|")[2] for line in table.splitlines()[2:]]
    assert set(re.findall(r"`(\w+)`", " ".join(cells))) == {row.layer.__name__ for row in ROWS}


@pytest.mark.parametrize("format", SUFFIXES)
@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (BinaryDense(3, name="signs"), "'signs'.*BinaryDense.*multiplies signs"),
        (SparseDense(3, (2, 1), name="few"), "'few'.*SparseDense.*leaves out weights"),
    ],
    ids=["binary", "sparse"],
)
def test_unsupported_layers_are_refused_with_the_reason(layer, reason, format, tmp_path):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layer(inputs))
    with pytest.raises(ValueError, match=f"has no form of {reason}.*tf_saved_model"):
        ko.export(model, tmp_path / f"model.{SUFFIXES[format]}", format=format)
