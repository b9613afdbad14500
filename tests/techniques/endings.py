"""How compression ends, as planned or not: the cases that every technique inherits."""

import numpy as np
import pytest
from techniques import models, properties
from techniques.saving import run
from techniques.training import Kill, Killed, Technique, predict

import kerasopt as ko


class EndingTests(Technique):
    """A model is usable after an interruption, and plain after `finalize`."""

    @pytest.mark.parametrize("exception", [Killed, KeyboardInterrupt])
    def test_an_interrupted_training_leaves_the_model_usable(self, exception):
        model = self.make("sequential")
        with pytest.raises(exception):
            self.fit(model, Kill(exception))
        assert "compute_loss" not in vars(model)
        assert predict(model).shape == (12, 4)
        x, y = models.data(model)
        model.evaluate(x, y, verbose=0)
        self.fit(model)
        self.check(model)
        with pytest.raises(exception):
            self.fit(model, Kill(exception))
        ko.finalize(model, verbose=False)
        assert np.isfinite(predict(model)).all()
        model.fit(x, y, verbose=0)

    @pytest.mark.parametrize("name", models.ZOO)
    def test_finalize_leaves_plain_layers_that_hold_what_they_read(self, name):
        model, plain = self.make(name), models.ZOO[name](models.plain)
        self.fit(model)
        before = {path: properties.read(*at) for path, at in properties.kernels(model).items()}
        predictions = predict(model)
        assert ko.finalize(model, verbose=False) is model
        after = {path: properties.read(*at) for path, at in properties.kernels(model).items()}
        assert before.keys() == after.keys()
        for path, kernel in before.items():
            np.testing.assert_array_equal(kernel, after[path], err_msg=path)
        self.assert_classes_of(plain, model)
        assert [w.shape for w in model.weights] == [w.shape for w in plain.weights]
        if not self.rounds_activations:
            np.testing.assert_array_equal(predict(model), predictions)

    def assert_classes_of(self, plain, model):
        """Asserts that `model` is of the very classes of a plain model of the zoo."""
        expected = [type(layer) for layer in plain._flatten_layers()]
        assert [type(layer) for layer in model._flatten_layers()] == expected

    def test_a_finalized_model_loads_without_kerasopt(self, tmp_path):
        model = self.make("convolutional")
        self.fit(model)
        ko.finalize(model, verbose=False)
        model.save(tmp_path / "final.keras")
        np.save(tmp_path / "input.npy", models.data(model)[0])
        np.save(tmp_path / "expected.npy", predict(model))
        run("load_without_kerasopt.py", tmp_path)
