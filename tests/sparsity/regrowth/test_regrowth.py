import keras
import numpy as np
import pytest
from techniques import models
from techniques.training import Kill, Killed, loss

import kerasopt as ko
from kerasopt.sparsity import SET, RigL, StraightThrough, regrowth


def make():
    keras.utils.set_random_seed(0)
    model = models.sequential()
    eager = keras.backend.backend() == "tensorflow"
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss(), run_eagerly=eager)
    return model


def fit(model, *callbacks, epochs=2):
    model.fit(models.Batches(model), epochs=epochs, verbose=0, callbacks=[*callbacks])
    return model


class Masks(keras.callbacks.Callback):
    """Keeps the masks and the kernels that every batch began with."""

    def __init__(self):
        super().__init__()
        self.masks, self.kernels = [], []

    def on_train_batch_begin(self, batch, logs=None):
        pairs = ko.sparsity.masked_variables(self.model)
        self.masks.append([mask.numpy() for _, mask in pairs])
        self.kernels.append([weight.numpy() for weight, _ in pairs])


@pytest.mark.parametrize("algorithm", [SET, RigL])
def test_connections_are_exchanged_and_sparsity_stays(algorithm):
    seen = Masks()
    growth = algorithm(0.5, begin=0, end=4, frequency=2)
    fit(make(), ko.callbacks.Pruning(0.5, criterion="random", regrowth=growth), seen)
    first = seen.masks[0]
    for masks in seen.masks:
        assert [mask.sum() for mask in masks] == [mask.sum() for mask in first]
    np.testing.assert_array_equal(seen.masks[1][0], first[0])
    exchanged = {n for n in range(1, 6) if (seen.masks[n][0] != seen.masks[n - 1][0]).any()}
    # Linear shares are exchanged at the end, too; cosine ones have fallen to zero there.
    assert exchanged == ({2, 4} if algorithm is SET else {2})
    share = 0.5 if algorithm is SET else 0.25  # the cosine's, half-way
    dropped = (first[0] & ~seen.masks[2][0]).sum()
    assert 0 < dropped <= round(share * first[0].sum())  # some come back at once


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_the_share_of_the_weakest_is_exchanged(share):
    class Others(SET):
        """Growth of what was not live before."""

        def growth(self, target, update):
            return (~target.live).astype("float32")

    seen = Masks()
    growth = Others(share, begin=0, end=2, frequency=2)
    fit(make(), ko.callbacks.Pruning(0.5, criterion="random", regrowth=growth), seen, epochs=1)
    for before, after, kernel in zip(seen.masks[1], seen.masks[2], seen.kernels[2], strict=True):
        went, stayed = before & ~after, before & after
        assert went.sum() == (after & ~before).sum() == round(share * before.sum())
        assert (kernel[went] == 0).all() and (kernel[stayed] != 0).all()


@pytest.mark.parametrize("algorithm", [SET, RigL])
def test_what_grows_starts_at_zero_without_momentum(algorithm):
    growth = algorithm(0.5, begin=0, end=4, frequency=2)
    model = make()

    class Check(Masks):
        grown = 0

        def on_train_batch_begin(self, batch, logs=None):
            super().on_train_batch_begin(batch, logs)
            if len(self.masks) == 3:
                optimizer = self.model.optimizer
                new = self.masks[2][0] & ~self.masks[1][0]
                momentum = optimizer.momentums[0].numpy()
                Check.grown = new.sum()
                assert (self.kernels[2][0][new] == 0).all() and (momentum[new] == 0).all()

    fit(model, ko.callbacks.Pruning(0.5, criterion="random", regrowth=growth), Check())
    assert Check.grown


def test_rigl_grows_where_the_gradient_is_largest():
    """On one layer and one batch: the dense gradient is known."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, use_bias=False)])
    model.compile(keras.optimizers.SGD(1e-3), "mse")
    model.layers[0].kernel.assign([[1.0, 0.9], [0.1, 0.8], [0.2, 0.3]])
    x = np.array([[1.0, 5.0, 0.1]], "float32")
    y = np.array([[9.0, 0.0]], "float32")  # the gradient of the first column is larger
    pruning = ko.callbacks.Pruning(0.5, regrowth=RigL(0.34, begin=0, end=100, frequency=1))
    with pytest.warns(UserWarning, match="cannot finish"):
        model.fit(x, y, epochs=1, verbose=0, callbacks=[pruning])
    ((_, mask),) = ko.sparsity.masked_variables(model)
    # Live were 1.0, 0.9 and 0.8: the last goes, and row 1 of the first column comes.
    np.testing.assert_array_equal(mask.numpy(), [[True, True], [True, False], [False, False]])


def test_hidden_weights_are_latent_with_the_straight_through_estimator(tmp_path):
    seen = Masks()
    pruning = ko.callbacks.Pruning(0.5, regrowth=StraightThrough(end=5, frequency=1))
    model = fit(make(), pruning, seen, keras.callbacks.ModelCheckpoint(tmp_path / "it.keras"))
    hidden = ~seen.masks[1][0]
    assert (seen.kernels[1][0][hidden] != seen.kernels[2][0][hidden]).any()
    revived = [
        b & ~a for a, b in zip(seen.masks, seen.masks[1:], strict=False) for a, b in [(a[0], b[0])]
    ]
    assert any(mask.any() for mask in revived)
    assert all(mask[0].sum() == seen.masks[0][0].sum() for mask in seen.masks)
    # After the training files are sparse again.
    model.save(tmp_path / "end.keras")
    loaded = keras.models.load_model(tmp_path / "end.keras")
    assert (keras.ops.convert_to_numpy(loaded.layers[0].kernel.stored) == 0).mean() == 0.5
    during = keras.models.load_model(tmp_path / "it.keras")
    assert (keras.ops.convert_to_numpy(during.layers[0].kernel.stored) != 0).all()


@pytest.mark.parametrize("frequency", [1, 2, 4])
@pytest.mark.parametrize("algorithm", [SET, RigL, StraightThrough])
def test_a_resumed_training_equals_an_uninterrupted_one(algorithm, frequency, tmp_path):
    def pruning():
        growth = algorithm(end=6, frequency=frequency)
        criterion = "magnitude" if algorithm is StraightThrough else "random"
        return ko.callbacks.Pruning(0.5, criterion=criterion, regrowth=growth)

    straight = fit(make(), pruning())
    resumed = make()
    with pytest.raises(Killed):
        fit(resumed, pruning(), ko.callbacks.BackupAndRestore(tmp_path / "backup"), Kill())
    fit(resumed, pruning(), ko.callbacks.BackupAndRestore(tmp_path / "backup"))
    for a, b in zip(straight.variables, resumed.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)


@pytest.mark.parametrize(
    "growth", [SET(0.2, begin=3, seed=1), RigL(0.2), StraightThrough("50%", 7)]
)
def test_configs_come_back(growth):
    again = regrowth.get(keras.saving.serialize_keras_object(growth))
    assert type(again) is type(growth) and again.get_config() == growth.get_config()


def test_masks_of_the_best_epoch_are_those_that_it_had():
    class Metric(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_loss"] = epoch  # the first is the best

    seen = Masks()
    stopping = ko.callbacks.EarlyStopping(patience=9, restore_best_weights=True)
    pruning = ko.callbacks.Pruning(0.5, regrowth=StraightThrough("100%", frequency=2))
    model = fit(make(), Metric(), stopping, pruning, seen, epochs=3)
    ends = [mask.numpy() for _, mask in ko.sparsity.masked_variables(model)]
    best = seen.masks[3]  # those of the second epoch's first batch
    assert not np.array_equal(best[0], seen.masks[-1][0])
    for a, b in zip(ends, best, strict=True):
        np.testing.assert_array_equal(a, b)


def test_random_masks_are_those_of_the_place_not_of_the_name():
    growth = SET(0.5, begin=0, end=4, frequency=2)
    pruning = ko.callbacks.Pruning(0.5, criterion="random", regrowth=growth)
    pair = [fit(make(), pruning), fit(make(), pruning)]
    assert pair[0].layers[0].name != pair[1].layers[0].name
    for (_, a), (_, b) in zip(*map(ko.sparsity.masked_variables, pair), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_a_training_too_short_for_exchanges_warns():
    pruning = ko.callbacks.Pruning(0.5, criterion="random", regrowth="rigl")
    with pytest.warns(UserWarning, match="at most one exchange.*Received: frequency=100"):
        fit(make(), pruning)


def test_bad_arguments_raise():
    with pytest.raises(ValueError, match="Received: regrowth='dsr'"):
        ko.callbacks.Pruning(0.5, regrowth="dsr")
    for fraction in (0, 1.5, True, "much"):
        with pytest.raises(ValueError, match="Received: fraction="):
            RigL(fraction)
    with pytest.raises(ValueError, match="N:M.*Received: pattern='2:4', regrowth"):
        ko.callbacks.Pruning(0.5, pattern="2:4", regrowth="rigl")
