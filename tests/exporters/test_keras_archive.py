"""`kerasopt.exporters.save`: the file, what it leaves out, and what happens when it fails."""

import random
import warnings
import zipfile

import keras
import numpy as np
import pytest

from kerasopt.exporters import save
from kerasopt.finalization import finalize
from kerasopt.parametrization import parametrize
from kerasopt.sparsity import Mask

X = np.random.default_rng(0).normal(size=(16, 8)).astype("float32")
Y = np.zeros((16, 4), "float32")


def dense_model(width=64):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(width, activation="relu", name="hidden"),
            keras.layers.Dense(4, name="logits"),
        ]
    )


def trained(model, optimizer="adam"):
    model.compile(optimizer, "mse")
    model.fit(X, Y, batch_size=4, verbose=0)
    return model


def masked(layer):
    """Masks 75 % of `layer`'s kernel; returns the boolean array of what is kept."""
    link = Mask()
    parametrize(layer, "kernel", link)
    kept = np.random.default_rng(1).random(layer.kernel.shape) >= 0.75
    link.mask.assign(kept)
    return kept


@pytest.mark.parametrize("include_optimizer", [False, True])
def test_plain_keras_loads_an_equal_model(tmp_path, include_optimizer):
    model = trained(dense_model())
    save(model, tmp_path / "model.keras", include_optimizer)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))


def test_optimizer_state_is_left_out_unless_asked_for(tmp_path):
    model = trained(dense_model(512))
    save(model, tmp_path / "without.keras")
    save(model, tmp_path / "with.keras", include_optimizer=True)

    without = keras.models.load_model(tmp_path / "without.keras")
    assert not without.compiled
    # Adam has two slots for every weight.
    sizes = [(tmp_path / name).stat().st_size for name in ("without.keras", "with.keras")]
    assert sizes[1] > 2 * sizes[0]

    resumed = keras.models.load_model(tmp_path / "with.keras")
    assert resumed.compiled
    for restored, expected in zip(
        resumed.optimizer.variables, model.optimizer.variables, strict=True
    ):
        np.testing.assert_array_equal(restored.numpy(), expected.numpy())


def test_optimizers_of_inner_models_are_left_out_too(tmp_path):
    inner = trained(dense_model(4096))
    inputs = keras.Input((8,))
    outer = keras.Model(inputs, keras.layers.Dense(2)(inner(inputs)))
    save(outer, tmp_path / "outer.keras")
    with zipfile.ZipFile(tmp_path / "outer.keras") as archive:
        stored = archive.getinfo("model.weights.h5").file_size
    assert stored < 1.2 * 4 * outer.count_params()
    loaded = keras.models.load_model(tmp_path / "outer.keras")
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), outer.predict(X, verbose=0))


def test_sparse_model_is_at_most_a_third_of_the_dense_one(tmp_path):
    model = keras.Sequential([keras.Input((256,)), keras.layers.Dense(1024)])
    model.save(tmp_path / "keras.keras")
    save(model, tmp_path / "dense.keras")
    link = Mask()
    parametrize(model.layers[0], "kernel", link)
    magnitude = abs(model.layers[0].kernel.numpy())
    link.mask.assign(magnitude > np.quantile(magnitude, 0.75))
    save(model, tmp_path / "masked.keras")
    save(finalize(model), tmp_path / "sparse.keras")

    size = {path.stem: path.stat().st_size for path in tmp_path.iterdir()}
    assert size["sparse"] <= size["dense"] / 3
    # During compression the mask is in the file as well.
    assert size["masked"] <= size["keras"] / 3


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.Adam(),
        lambda: keras.optimizers.SGD(0.1, momentum=0.9, gradient_accumulation_steps=3),
        lambda: keras.optimizers.Adam(use_ema=True),
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()),
        lambda: keras.optimizers.Adafactor(),
    ],
    ids=["adam", "accumulation", "ema", "loss_scale", "factored"],
)
def test_slots_of_masked_weights_are_zero_in_the_file_only(tmp_path, optimizer):
    model = trained(dense_model(), optimizer())
    kernel, bias = model.get_layer("hidden").kernel, model.get_layer("hidden").bias
    before = [variable.numpy() for variable in model.optimizer.variables]
    kept = masked(model.get_layer("hidden"))
    save(model, tmp_path / "model.keras", include_optimizer=True)

    for variable, value in zip(model.optimizer.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    slots = 0
    for restored, value in zip(loaded.optimizer.variables, before, strict=True):
        if restored.shape == kernel.shape:
            slots += 1
            np.testing.assert_array_equal(restored.numpy(), np.where(kept, value, 0))
        else:
            np.testing.assert_array_equal(restored.numpy(), value)
    assert slots and bias.shape != kernel.shape


def test_vocabularies_travel_with_the_model(tmp_path):
    lookup = keras.layers.IntegerLookup(vocabulary=[7, 11, 13])
    inputs = keras.Input((2,), dtype="int64")
    model = keras.Model(inputs, keras.layers.Embedding(4, 3)(lookup(inputs)))
    save(model, tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    tokens = np.array([[7, 13], [11, 99]])
    np.testing.assert_array_equal(loaded.predict(tokens, verbose=0), model.predict(tokens))


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    save(dense_model(), path)
    content = path.read_bytes()

    def fail(*args, **kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "write", fail)
    with pytest.raises(OSError, match="no space left"):
        save(dense_model(128), path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_damaged_files_do_not_load(tmp_path):
    path = tmp_path / "model.keras"
    save(dense_model(), path)
    content = path.read_bytes()
    damaged = [content[: len(content) // 2], content[:-10], b""]
    with zipfile.ZipFile(path) as archive:
        weights = archive.getinfo("model.weights.h5")
    start = weights.header_offset + 30 + len(weights.filename)
    for offset in random.Random(0).sample(range(weights.compress_size), 10):
        flipped = bytearray(content)
        flipped[start + offset] ^= 0x55
        damaged.append(bytes(flipped))
    for data in damaged:
        path.write_bytes(data)
        with pytest.raises((ValueError, OSError, zipfile.BadZipFile, zipfile.zlib.error)):
            keras.models.load_model(path)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("model", "model.keras"), TypeError, "`model` must be a Keras model.*Received: model="),
        ((None, "model.h5"), ValueError, "`path` must end in `.keras`.*Received: path="),
        ((None, "missing/model.keras"), FileNotFoundError, "does not exist.*Received: path="),
        ((None, "folder.keras"), IsADirectoryError, "is a directory.*Received: path="),
    ],
)
def test_wrong_arguments_are_named(tmp_path, arguments, error, message):
    (tmp_path / "folder.keras").mkdir()
    model, name = arguments
    with pytest.raises(error, match=message):
        save(model or dense_model(), tmp_path / name)
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.keras"]


class Forgetful(keras.layers.Layer):
    """A layer whose config has what its constructor does not take, as some of keras-hub's have."""

    def call(self, x):
        return x + 1.0

    def get_config(self):
        return {**super().get_config(), "sizes": 3}


class Local(keras.layers.Identity):
    """A sound layer, that loads with `custom_objects`."""


CUSTOM = {"Local": Local, "Forgetful": Forgetful}


@pytest.mark.parametrize("nested", [False, True])
def test_a_file_that_will_not_load_is_told_of(tmp_path, nested):
    model = keras.Sequential([keras.Input((8,)), Forgetful(name="forgetful"), Local()])
    if nested:
        model = keras.Model(inputs := keras.Input((8,)), model(inputs))
    with pytest.warns(UserWarning, match="will not load.*'forgetful': \"?Unrecognized keyword"):
        save(model, tmp_path / "model.keras")
    with pytest.raises(TypeError, match="Unrecognized keyword"):
        keras.models.load_model(tmp_path / "model.keras", custom_objects=CUSTOM)


def test_a_file_that_loads_is_not_told_of(tmp_path):
    @keras.saving.register_keras_serializable("tests_exporters")
    class OwnCode(keras.Model):
        """Creates a layer that could not be created from its config."""

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = Forgetful()

        def call(self, x):
            return self.inner(x)

    model = keras.Sequential([keras.Input((8,)), Local(), OwnCode()])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(model, tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects=CUSTOM)
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), X + 1.0)
