"""Files of a model in the middle of compression: the cases that every technique inherits."""

import inspect

import h5py
import keras
import numpy as np
import pytest
from processes import TESTS, run_with_keras
from techniques import models
from techniques.training import Kill, Killed, Technique, predict

import kerasopt as ko


class Snapshot(keras.callbacks.Callback):
    """Saves the model when the first epoch ends, with what it predicts at that moment."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        model = self.model
        if epoch == 0:
            self.write(model)

    def write(self, model):
        model.save(self.path.with_suffix(".keras"))
        np.save(self.path.with_suffix(".npy"), predict(model))
        np.save(self.path.with_name(f"{model.name}-input.npy"), models.data(model)[0])


class SavingTests(Technique):
    """What is saved is what runs, and training goes on from it."""

    def test_a_new_process_loads_the_same_model_and_trains_it(self, tmp_path):
        for name in ("convolutional", "sequential", "nested", "subclassed"):
            model = self.make(name)
            self.fit(model, Snapshot(tmp_path / name))
            if name == "convolutional":
                Snapshot(tmp_path / "finalized").write(ko.finalize(model, verbose=False))
        case = self.home, inspect.getfile(type(self)), type(self).__name__
        run_with_keras(TESTS / "techniques/reload.py", tmp_path, *case)

    def test_a_sub_model_cut_out_loads(self, tmp_path):
        model = self.make("convolutional")
        self.fit(model)
        cut = keras.Model(model.input, model.get_layer("transposed").output, name="convolutional")
        cut.save(tmp_path / "cut.keras")
        loaded = keras.models.load_model(tmp_path / "cut.keras")
        np.testing.assert_array_equal(predict(cut), predict(loaded))
        loaded.compile("adam", "mse", run_eagerly=model.run_eagerly)
        loaded.fit(models.data(cut)[0], predict(cut), verbose=0)
        self.check(loaded)

    @pytest.mark.parametrize(
        "optimizer",
        [
            lambda: keras.optimizers.AdamW(weight_decay=0.1),
            lambda: keras.optimizers.SGD(0.1, momentum=0.9),
            lambda: keras.optimizers.Adam(use_ema=True, ema_overwrite_frequency=2),
        ],
        ids=["adamw", "momentum", "ema"],
    )
    def test_a_file_is_as_sparse_as_what_runs(self, optimizer, tmp_path):
        model = self.make("sequential", optimizer())
        self.fit(model)
        running = [layer.kernel.numpy() for layer in model.layers if hasattr(layer, "kernel")]
        model.save_weights(tmp_path / "it.weights.h5")
        with h5py.File(tmp_path / "it.weights.h5") as file:
            stored = [file[f"layers/{name}/vars/0"][...] for name in ("dense", "dense_1")]
        for in_file, read in zip(stored, running, strict=True):
            assert (in_file == 0).sum() == round(self.sparsity * in_file.size)
            assert (read[in_file == 0] == 0).all()

    def test_a_resumed_training_equals_an_uninterrupted_one(self, tmp_path):
        straight = self.make("sequential")
        self.fit(straight)
        resumed = self.make("sequential")
        with pytest.raises(Killed):
            self.fit(resumed, ko.callbacks.BackupAndRestore(tmp_path / "backup"), Kill())
        self.fit(resumed, ko.callbacks.BackupAndRestore(tmp_path / "backup"))
        self.check(resumed)
        for a, b in zip(straight.variables, resumed.variables, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)

    def test_plain_weights_load_into_a_compressed_model_and_back(self, tmp_path):
        plain, model = models.nested(), self.make("nested")
        plain.save_weights(tmp_path / "plain.weights.h5")
        self.fit(model)
        self.check(model)
        model.save_weights(tmp_path / "compressed.weights.h5")
        model.load_weights(tmp_path / "plain.weights.h5")
        self.check(model)
        plain.load_weights(tmp_path / "compressed.weights.h5")
        model.load_weights(tmp_path / "compressed.weights.h5")
        expected = model.get_layer("dense").kernel.stored.numpy()
        np.testing.assert_array_equal(plain.get_layer("dense").kernel.numpy(), expected)
