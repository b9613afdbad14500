"""How compression ends, as planned or not: the cases that every technique inherits."""

import numpy as np
import pytest
from techniques import models, properties
from techniques.training import Kill, Killed, Technique, predict

import kerasopt as ko


class EndingTests(Technique):
    """A model is usable after an interruption, and plain after `finalize`."""

    def test_an_interrupted_training_leaves_the_model_usable(self):
        model = self.make("sequential")
        with pytest.raises(KeyboardInterrupt):
            self.fit(model, Kill(KeyboardInterrupt))
        assert "compute_loss" not in vars(model)
        x, y = models.data(model)
        assert predict(model).shape == (12, 4)
        assert np.isfinite(model.evaluate(x, y, verbose=0))
        self.fit(model)
        self.check(model)
        with pytest.raises(Killed):
            self.fit(model, Kill())
        ko.finalize(model, verbose=False)
        assert np.isfinite(predict(model)).all()
        model.fit(x, y, verbose=0)

    @pytest.mark.parametrize("name", models.ZOO)
    def test_every_model_is_compressed_and_finalized(self, name):
        model, plain = self.make(name), models.ZOO[name](models.plain)
        self.fit(model)
        self.check(model)
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
