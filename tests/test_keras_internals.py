"""What is private to Keras is touched in one room only, so that a new Keras is met there."""

import ast
import re
from pathlib import Path

import keras
import pytest

import kerasopt

ROOT = Path(kerasopt.__file__).parent
ROOM = "keras_internals"


def private_names_of_keras() -> set[str]:
    """Returns the private names that Keras' source gives to methods and attributes."""
    found: set[str] = set()
    pattern = re.compile(
        r"\b\w+\.(_[a-z]\w*)\s*(?::[^=\n]+)?=[^=]|^    (?:def )?(_[a-z]\w*)(?:\(|\s*=[^=])", re.M
    )
    for path in (Path(keras.__file__).parent / "src").rglob("*.py"):
        if not path.name.endswith("_test.py"):
            found.update(name for names in pattern.findall(path.read_text()) for name in names)
    return found - {""}


PRIVATE = private_names_of_keras()


def own_names(tree: ast.Module) -> set[str]:
    """Returns the names that the classes of a file define: what it overrides is its own."""
    names: set[str] = set()
    for cls in [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]:
        for node in cls.body:
            targets = [node.target] if isinstance(node, ast.AnnAssign) else []
            targets = node.targets if isinstance(node, ast.Assign) else targets
            names.update(each.id for each in targets if isinstance(each, ast.Name))
            names.update([node.name] if isinstance(node, ast.FunctionDef) else [])
        for node in ast.walk(cls):
            is_stored = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
            if is_stored and ast.unparse(node.value) in ("self", "cls"):
                names.add(node.attr)
    return names


def touches(source: str) -> list[str]:
    """Returns the lines in which a file imports, reads or looks for what is private to Keras."""
    tree, lines = ast.parse(source), source.splitlines()
    own, found = own_names(tree), []
    for node in ast.walk(tree):
        names: list = []
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [getattr(node, "module", None), *(each.name for each in node.names)]
            names = [each for each in modules if str(each).startswith("keras.src")]
        elif isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.Call) and re.fullmatch("(get|has|set|del)attr", _name(node.func)):
            names = [each.value for each in node.args if isinstance(each, ast.Constant)]
        elif isinstance(node, ast.Subscript) and _name(node.value).startswith("vars("):
            names = [getattr(node.slice, "value", None)]
        elif isinstance(node, ast.Constant) and "keras.src" in str(node.value):
            names = ["keras.src"]
        if any(str(name).startswith("keras.src") or name in PRIVATE - own for name in names):
            found.append(f"{node.lineno}: {lines[node.lineno - 1].strip()}")
    return found


def _name(node: ast.AST) -> str:
    return ast.unparse(node)


def test_nothing_private_to_keras_is_touched_outside_of_its_room():
    files = [path.relative_to(ROOT) for path in ROOT.rglob("*.py")]
    found = {
        str(path): lines
        for path in files
        if path.parts[0] != ROOM and (lines := touches((ROOT / path).read_text()))
    }
    assert len(files) > 100 and not found, found


@pytest.mark.parametrize(
    "line",
    [
        "from keras.src.utils import io_utils",
        "import keras.src.backend",
        "layer._tracker.unlock()",
        "operation = tensor._keras_history.operation",
        "getattr(model, '_compile_loss')",
        "vars(optimizer)['_variables'] = []",
        "is_known = cls.__module__.startswith('keras.src.applications')",
    ],
)
def test_a_touch_is_found(line):
    assert touches(line) == [f"1: {line}"]


def test_what_a_class_defines_itself_is_no_touch():
    assert not touches("class Writer:\n    def __init__(self):\n        self._model = 1")
    assert not touches("layer.kernel, layer._of_kerasopt")
