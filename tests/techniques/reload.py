"""Loads models that another process has saved, and goes on training them.

Arguments: the directory of the models and of what they predict, the module of the technique, the
file and the name of its test case. What is finalized loads before kerasopt is imported, and nothing
but Keras and that module is before the other models of Keras' own classes load.
"""

import importlib
import importlib.util
import pathlib
import sys

import keras
import numpy as np

directory, home, file, case_name = sys.argv[1:]
loaded = {}


def load(paths):
    for path in paths:
        model = loaded[path.stem] = keras.models.load_model(path)
        expected = np.load(path.with_suffix(".npy"))
        np.testing.assert_array_equal(predict(model), expected, err_msg=path.stem)


def predict(model):
    """Predicts what the other process has, whose module of data is not imported yet."""
    return model.predict(np.load(f"{directory}/{model.name}-input.npy"), verbose=0)


paths = sorted(pathlib.Path(directory).glob("*.keras"))
load([path for path in paths if path.stem == "finalized"])
assert "kerasopt" not in sys.modules
importlib.import_module(home)
import kerasopt  # noqa: E402

own_classes = [path for path in paths if path.stem == "subclassed"]
load([path for path in paths if path not in own_classes and path.stem not in loaded])

spec = importlib.util.spec_from_file_location("case", file)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
load(own_classes)

case = getattr(module, case_name)()
del loaded["finalized"]
for model in loaded.values():
    model.run_eagerly = keras.config.backend() == "tensorflow"
    case.fit(model, initial_epoch=1)
    case.check(model)
    kerasopt.finalize(model, verbose=False)
print(f"loaded and trained {sorted(loaded)}")
