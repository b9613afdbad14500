import copy
import json
import pickle
import zipfile

import h5py
import keras
import numpy as np
import pytest
from sparsity.masked_weights import dense_model, masked_weights

from kerasopt.parametrization import Attachments
from kerasopt.sparsity import criteria
from kerasopt.training.optimizers.gradient_statistics import unwatch_gradients, watch_gradients

BATCH, BATCHES, RATE = 4, 8, 0.25
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(BATCH * BATCHES, 4)).astype("float32")
Y = GENERATOR.normal(size=(BATCH * BATCHES, 3)).astype("float32")


def linear(optimizer=None, **arguments):
    """Returns a compiled linear model, whose gradients are easily computed by hand."""
    model = dense_model(3, use_bias=False)
    model.compile(optimizer or keras.optimizers.SGD(RATE), "mse", **arguments)
    return model


def fit(model, **arguments):
    model.fit(X, Y, batch_size=BATCH, shuffle=False, verbose=0, **arguments)


def by_hand(weight, accumulated=1, clip=np.inf):
    """Returns saliency, movement and the weight after training."""
    saliency, movement = np.zeros_like(weight), np.zeros_like(weight)
    for x, y in zip(*(np.split(array, BATCHES // accumulated) for array in (X, Y)), strict=True):
        gradient = np.clip(2 * x.T @ (x @ weight - y) / y.size, -clip, clip)
        saliency += np.abs(weight * gradient)
        movement -= weight * gradient
        weight = weight - RATE * gradient
    return saliency, movement, weight


def gather(model, *names):
    """Returns, for each criterion, the weights of `model` about which it gathers."""
    gathered = []
    for name in names:
        attachments = Attachments(model)
        weights = masked_weights(model, attachments)
        criteria.get(name).gather(weights, model, attachments)
        gathered.append(weights)
    return gathered


def total(statistic, weight, gradient):
    return statistic + gradient, gradient


@pytest.mark.parametrize(
    "optimizer, arguments, expected",
    [
        ({}, {"jit_compile": False}, {}),
        ({}, {"jit_compile": True}, {}),
        ({}, {"steps_per_execution": 3}, {}),
        ({"gradient_accumulation_steps": 4}, {"jit_compile": False}, {"accumulated": 4}),
        ({"clipvalue": 0.125}, {"jit_compile": False}, {"clip": 0.125}),
        ({"loss_scale_factor": 64.0}, {"jit_compile": False}, {}),
    ],
    ids=str,
)
def test_statistics_are_those_computed_by_hand(optimizer, arguments, expected):
    model = linear(keras.optimizers.SGD(RATE, **optimizer), **arguments)
    saliency, movement, weight = by_hand(model.layers[0].kernel.numpy(), **expected)
    (salient,), (moved,) = gather(model, "saliency", "movement")
    fit(model)
    np.testing.assert_allclose(salient.statistic, saliency, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(moved.statistic, movement, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(salient.value, weight, rtol=1e-4, atol=1e-6)


def test_averages_of_the_weights_change_nothing():
    model = linear(keras.optimizers.SGD(RATE, use_ema=True))
    saliency, _, _ = by_hand(model.layers[0].kernel.numpy())
    ((weight,),) = gather(model, "saliency")
    fit(model)
    np.testing.assert_allclose(weight.statistic, saliency, rtol=1e-4, atol=1e-6)


def test_in_mixed_precision_statistics_are_unscaled_and_float32():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        # The first steps overflow at this scale: they are skipped.
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(RATE), 2.0**17)
        model = linear(optimizer)
    finally:
        keras.config.set_dtype_policy("float32")
    before = model.layers[0].kernel.numpy()
    statistics = watch_gradients(model, model.trainable_variables, total, "total")
    fit(model)
    updates = int(keras.ops.convert_to_numpy(optimizer.iterations))
    assert 0 < updates < BATCHES
    assert statistics[0].dtype == "float32"
    change = (before - model.layers[0].kernel.numpy()) / RATE
    np.testing.assert_allclose(statistics[0].numpy(), change, rtol=1e-4, atol=1e-5)


def test_a_low_precision_weight_has_a_float32_statistic():
    keras.config.set_dtype_policy("bfloat16")
    try:
        model = linear()
    finally:
        keras.config.set_dtype_policy("float32")
    (statistic,) = watch_gradients(model, model.trainable_variables, total, "total")
    fit(model)
    assert statistic.dtype == "float32" and np.abs(statistic.numpy()).min() > 0


def test_a_rule_may_change_the_gradient():
    def stop(statistic, weight, gradient):
        return statistic + 1, keras.ops.zeros_like(gradient)

    model = linear()
    before = model.layers[0].kernel.numpy()
    (count,) = watch_gradients(model, model.trainable_variables, stop, "count", "ones")
    fit(model)
    np.testing.assert_array_equal(model.layers[0].kernel.numpy(), before)
    np.testing.assert_array_equal(count.numpy(), np.full((4, 3), 1 + BATCHES))


def test_repeated_rows_of_an_embedding():
    def train(watched):
        keras.utils.set_random_seed(0)
        table = keras.layers.Embedding(5, 2)
        model = keras.Sequential([keras.Input((3,), dtype="int32"), table, keras.layers.Flatten()])
        model.compile(keras.optimizers.SGD(RATE, momentum=0.5), "mse")
        before = table.embeddings.numpy()
        tokens = np.array([[0, 1, 1], [1, 4, 4]])
        statistics = watch_gradients(model, [table.embeddings] * watched, total, "total")
        model.fit(tokens, np.ones((2, 6)), batch_size=2, epochs=1, verbose=0)
        change = (before - table.embeddings.numpy()) / RATE
        return [statistic.numpy() for statistic in statistics], change

    (statistic,), change = train(True)
    np.testing.assert_allclose(statistic, change, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(change, train(False)[1])
    assert (statistic[[0, 1, 4]] != 0).all() and (statistic[[2, 3]] == 0).all()


def loss_scaled():
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.AdamW(weight_decay=0.1))


@pytest.mark.parametrize("optimizer", [keras.optimizers.Adam, loss_scaled])
class TestFiles:
    def test_a_file_is_as_if_nothing_were_watched(self, optimizer, tmp_path):
        contents = []
        for watched in (False, True):
            model = linear(optimizer())
            model.optimizer.name = "optimizer"
            model.optimizer.build(model.trainable_variables)
            if watched:
                watch_gradients(model, model.trainable_variables, total, "total")
            path = tmp_path / f"{watched}.keras"
            model.save(path)
            with zipfile.ZipFile(path) as archive:
                config = json.loads(archive.read("config.json"))
                archive.extract("model.weights.h5", tmp_path)
            found = {}
            with h5py.File(tmp_path / "model.weights.h5") as file:
                file.visititems(lambda name, item: found.update({name: str(item)}))  # noqa: B023
            contents.append((config["compile_config"], found))
        assert contents[0][1] == contents[1][1]
        assert _without_names(contents[0][0]) == _without_names(contents[1][0])
        loaded = keras.saving.load_model(path)
        assert type(loaded.optimizer) is type(optimizer())

    def test_loading_leaves_statistics_alone(self, optimizer, tmp_path):
        plain = linear(optimizer())
        fit(plain)
        plain.save_weights(tmp_path / "plain.weights.h5")
        model = linear(optimizer())
        (statistic,) = watch_gradients(model, model.trainable_variables, total, "total", "ones")
        model.load_weights(tmp_path / "plain.weights.h5")
        np.testing.assert_array_equal(statistic.numpy(), np.ones((4, 3)))
        # The wrapper lists the variables of what it wraps, too.
        for own, loaded in zip(plain.optimizer.variables, model.optimizer.variables, strict=False):
            np.testing.assert_array_equal(loaded.numpy(), own.numpy())

    def test_unwatched_it_is_what_it_was(self, optimizer):
        model = linear(optimizer())
        model.optimizer.build(model.trainable_variables)
        variables = [id(variable) for variable in model.optimizer.variables]
        attributes = set(vars(model.optimizer))
        first = watch_gradients(model, model.trainable_variables, total, "first")
        second = watch_gradients(model, model.trainable_variables, total, "second")
        assert len(model.optimizer.variables) == len(variables) + 2
        unwatch_gradients(model, first)
        fit(model)
        assert np.abs(second[0].numpy()).min() > 0 and not first[0].numpy().any()
        unwatch_gradients(model, second)
        assert type(model.optimizer) is type(optimizer())
        assert [id(variable) for variable in model.optimizer.variables] == variables
        assert set(vars(model.optimizer)) == attributes
        fit(model)

    @pytest.mark.filterwarnings("ignore:Skipping variable loading")
    def test_copies_are_plain(self, optimizer):
        model = linear(optimizer())
        watch_gradients(model, model.trainable_variables, total, "total")
        # Keras' own copies of an optimizer warn that its slots stay behind.
        for duplicate in (copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))):
            assert type(duplicate(model.optimizer)) is type(optimizer())


def _without_names(config):
    """Returns a config without the automatic names of what an optimizer wraps."""
    if isinstance(config, dict):
        return {key: _without_names(value) for key, value in config.items() if key != "name"}
    return config


def test_what_an_interrupted_training_has_left_is_replaced():
    model = linear()
    (stale,) = watch_gradients(model, model.trainable_variables, total, "total", "ones")
    variables = len(model.optimizer.variables)
    (fresh,) = watch_gradients(model, model.trainable_variables, total, "total")
    assert len(model.optimizer.variables) == variables
    fit(model)
    assert np.abs(fresh.numpy()).min() > 0 and (stale.numpy() == 1).all()
    unwatch_gradients(model, [stale, fresh])
    assert type(model.optimizer) is keras.optimizers.SGD


def test_the_end_of_training_takes_all_of_it_off():
    model = linear()
    attachments = Attachments(model)
    weights = masked_weights(model, attachments)
    saliency = criteria.get("saliency")
    saliency.gather(weights, model, attachments)
    attachments.finish()
    fit(model)
    assert saliency.scores(weights[0]).min() > 0
    saliency.reset(weights)
    assert not weights[0].statistic.any()
    attachments.end()
    assert type(model.optimizer) is keras.optimizers.SGD
    fit(model)


def test_a_model_that_was_watched_is_exported(tmp_path):
    model = linear()
    statistics = watch_gradients(model, model.trainable_variables, total, "total")
    unwatch_gradients(model, statistics)
    model.export(tmp_path / "exported", verbose=False)


def test_movement_is_not_reset():
    model = linear()
    ((weight,),) = gather(model, "movement")
    weight.gathered.assign(np.ones((4, 3)))
    criteria.get("movement").reset([weight])
    assert weight.statistic.all()


class TestNoGradient:
    MESSAGE = (
        r"1 weights have no gradient, since they are not trainable.* Received: layers=\['dense_0'\]"
    )

    @pytest.mark.parametrize("built", [False, True])
    def test_frozen(self, built):
        model = dense_model(3, 3)
        model.compile("sgd", "mse")
        if built:
            model.optimizer.build(model.trainable_variables)
        model.layers[0].trainable = False
        with pytest.raises(ValueError, match=self.MESSAGE):
            gather(model, "saliency")
        assert type(model.optimizer) is keras.optimizers.SGD

    def test_unfrozen_since_the_optimizer_was_built(self):
        model = dense_model(3, 3)
        model.layers[0].trainable = False
        model.compile("sgd", "mse")
        model.optimizer.build(model.trainable_variables)
        model.layers[0].trainable = True
        with pytest.raises(ValueError, match=self.MESSAGE):
            gather(model, "saliency")

    def test_not_compiled(self):
        model = dense_model(3)
        model.compile(None, "mse")
        with pytest.raises(ValueError, match="compile the model with one. Received: model=model"):
            watch_gradients(model, model.trainable_variables, total, "total")
