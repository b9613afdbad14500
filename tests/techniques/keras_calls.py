"""Ordinary Keras calls on a compressed model: the cases that every technique inherits."""

import copy
import pickle

import keras
import numpy as np
import pytest
from techniques import models
from techniques.training import Technique, predict


class KerasCallTests(Technique):
    """Keras goes on working on a compressed model, or raises one clear sentence."""

    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls):
        """A compressed model that no test may change."""
        model = cls().make("convolutional")
        cls().fit(model)
        return model

    def test_the_copies_of_a_model_are_compressed_models(self, trained, tmp_path):
        clone = keras.models.clone_model(trained)
        clone.set_weights(trained.get_weights())
        trained.save_weights(tmp_path / "it.weights.h5")
        loaded = keras.models.clone_model(trained)
        loaded.load_weights(tmp_path / "it.weights.h5")
        expected = predict(trained)
        copies = {
            "clone_model": clone,
            "load_weights": loaded,
            "deepcopy": copy.deepcopy(trained),
            "pickle": pickle.loads(pickle.dumps(trained)),
            "config": keras.Model.from_config(trained.get_config()),
        }
        copies["config"].set_weights(trained.get_weights())
        for how, model in copies.items():
            np.testing.assert_array_equal(predict(model), expected, err_msg=how)
            self.check(model)
            assert model.get_layer("conv") is not trained.get_layer("conv")

    def test_a_clone_trains_without_the_original(self, trained):
        before = trained.get_weights()
        clone = keras.models.clone_model(trained)
        clone.compile("adam", "mse", run_eagerly=trained.run_eagerly)
        clone.fit(models.data(trained)[0], predict(trained) + 1, verbose=0)
        for a, b in zip(before, trained.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_weights_of_a_plain_model_are_refused_where_they_do_not_fit(self, trained):
        plain = models.convolutional()
        with pytest.raises(ValueError, match="weight"):
            plain.set_weights(trained.get_weights())

    def test_assigning_a_kernel_assigns_what_is_stored(self, trained):
        layer = copy.deepcopy(trained).get_layer("classifier")
        layer.kernel.assign(np.full(layer.kernel.shape, 0.1))
        np.testing.assert_array_equal(layer.kernel.stored.numpy(), np.float32(0.1))
        read = layer.kernel.numpy()
        assert ((read == 0) | np.isclose(read, 0.1)).all()
        assert (read == 0).sum() == round(self.sparsity * read.size)

    def test_keras_quantization_says_what_to_call_first(self, trained):
        weights = trained.get_weights()
        with pytest.raises(ValueError, match=r"`kerasopt\.finalize.*Received: mode=int8"):
            trained.quantize("int8")
        for before, after in zip(weights, trained.get_weights(), strict=True):
            np.testing.assert_array_equal(before, after)

    def test_counting_and_summary(self, trained):
        plain = models.convolutional()
        lines = []
        trained.summary(print_fn=lambda line, **kwargs: lines.append(line))
        shapes = [tuple(weight.shape) for weight in plain.trainable_weights]
        assert [tuple(weight.shape) for weight in trained.trainable_weights] == shapes
        assert trained.count_params() >= plain.count_params()
        assert "classifier" in "\n".join(lines)

    def test_export_computes_the_same(self, trained, tmp_path):
        trained.export(tmp_path / "exported", format="tf_saved_model", verbose=False)
        x = models.data(trained)[0]
        served = keras.layers.TFSMLayer(tmp_path / "exported", call_endpoint="serve")(x)
        np.testing.assert_allclose(served, predict(trained), atol=1e-5)
