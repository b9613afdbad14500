import keras
import numpy as np
import pytest

from kerasopt import distillation
from kerasopt.distillation.losses import LOSSES

ALIASES = {
    "kl_divergence": "KLDivergence",
    "kld": "KLDivergence",  # as Keras names it
    "decoupled": "Decoupled",
    "dist": "DIST",
    "logits_mse": "LogitsMSE",
    "binary": "BinaryKLDivergence",
}


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_aliases(alias, name):
    assert distillation.get(alias) is getattr(distillation, name)


def test_losses_of_keras():
    mse = keras.losses.MeanSquaredError()
    assert distillation.get(mse) is mse
    for identifier in ("mse", "huber", "MeanSquaredError", keras.losses.mean_squared_error):
        assert isinstance(distillation.get(identifier), keras.losses.Loss)


@pytest.mark.parametrize(
    "identifier", ["kl", "categorical_crossentropy", "BinaryCrossentropy", 3, {"a": "mse"}]
)
def test_others(identifier):
    with pytest.raises(ValueError, match="'binary'.*Received: loss="):
        distillation.get(identifier)


def test_a_loss_of_the_users_own(monkeypatch):
    for registry in ("classes", "aliases"):
        monkeypatch.setattr(LOSSES, registry, dict(getattr(LOSSES, registry)))

    @distillation.losses.register("gap", package="tests")
    class Gap(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)

    loss = distillation.get("gap")
    assert (
        isinstance(loss, Gap) and float(loss(np.array([[1.0, 2.0]]), np.array([[2.0, 4.0]]))) == 1.5
    )
    assert type(distillation.get(distillation.serialize(loss))) is Gap
