import keras
import pytest

from kerasopt import distillation

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
