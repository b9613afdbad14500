"""What is refused before training leaves the model as it was."""

import contextlib

import numpy as np
import pytest

# What Keras itself leaves on a model whose `fit` has failed.
_OF_FIT = {"history", "_eval_epoch_iterator"}


@contextlib.contextmanager
def refused(model, match, exception=ValueError):
    """Asserts that its body raises, and that nothing of `model` is another than before."""
    before = _state(model)
    with pytest.raises(exception, match=match):
        yield
    after = _state(model)
    for name, value in before.items():
        assert value == after[name], (name, value, after[name])


def _state(model):
    functions = [getattr(model, f"{kind}_function") for kind in ("train", "test", "predict")]
    # The functions of a step are renewed where they were traced, and left alone where not.
    return {
        "objects": [id(layer) for layer in model._flatten_layers()],
        "classes": [type(layer) for layer in model._flatten_layers()],
        "calls": [vars(layer).get("call") for layer in model._flatten_layers()],
        "attributes": vars(model).keys() - _OF_FIT,
        "functions": [function is None for function in functions],
        "files": model.to_json(),
        "variables": [(variable.path, _bits(variable)) for variable in model.variables],
        "iterations": int(model.optimizer.iterations),
    }


def _bits(variable):
    return np.asarray(variable.numpy()).tobytes()
