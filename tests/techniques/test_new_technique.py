"""A technique of one's own plugs in: nothing of kerasopt, or of the shared tests, names it."""

import keras
import numpy as np
import pytest
from techniques.clamping import Clamping, ClampingTechnique
from techniques.properties import kernels
from techniques.technique_test_case import TechniqueTestCase
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import kerasopt as ko
from kerasopt.training import technique

LIMIT = 0.125


class TestClamping(TechniqueTestCase):
    home = "techniques.clamping"

    def callbacks(self, model, data):
        return [Clamping(LIMIT)]

    def check(self, model):
        read = [getattr(layer, name).numpy() for layer, name in kernels(model).values()]
        assert all(np.abs(kernel).max() <= LIMIT for kernel in read)


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(technique, "_TECHNIQUES", [*technique.techniques()])
    technique.register_technique(ClampingTechnique)


@pytest.fixture
def model(registered):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            ko.layers.Dense(8, limit=LIMIT, weight_quantizer="int8", name="first"),
            ko.layers.Dense(1, pruning=0.5, name="last"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.0), "mse")
    return model


def fit(model, *callbacks, **options):
    callbacks = [ko.callbacks.Compression(**options), *callbacks]
    model.fit(np.ones((8, 4)), np.ones((8, 1)), verbose=0, callbacks=callbacks)


def largest(model):
    return float(np.abs(model.get_layer("first").kernel.numpy()).max())


def test_drop_in_layers_declare_it_and_compression_moves_it(model, tmp_path):
    assert largest(model) > LIMIT
    fit(model)
    assert largest(model) <= LIMIT
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("first").limit == LIMIT and largest(loaded) <= LIMIT
    assert loaded.get_layer("last").limit is None
    ko.finalize(model, verbose=False)
    assert type(model.get_layer("first")) is keras.layers.Dense and largest(model) <= LIMIT


def test_its_options_are_options_of_compression(model):
    fit(model, begin=10)
    assert largest(model) > LIMIT


def test_summary_has_its_column(model):
    fit(model)
    lines = str(ko.summary(model, print_fn=lambda text: None)).splitlines()
    assert "Limit" in lines[2] and "SQNR (dB)" in lines[2]
    assert "0.1" in next(line for line in lines if "first" in line)


def test_tensorboard_has_its_scalars(model, tmp_path):
    fit(model, ko.callbacks.TensorBoard(tmp_path))
    tags = EventAccumulator(str(tmp_path / "train")).Reload().Tags()["tensors"]
    assert {"limit/first/kernel", "sparsity/last/kernel"} <= set(tags)


def test_arguments_of_techniques_that_are_not_registered_are_refused():
    with pytest.raises((TypeError, ValueError), match="limit"):
        ko.layers.Dense(8, limit=LIMIT)
