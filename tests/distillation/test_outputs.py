import keras
import pytest

from kerasopt.distillation import outputs_are_logits

losses = keras.losses


@pytest.mark.parametrize(
    ("loss", "answer"),
    [
        ("sparse_categorical_crossentropy", False),
        ("categorical_crossentropy", False),
        ("kl_divergence", False),
        (losses.SparseCategoricalCrossentropy(from_logits=True), True),
        (losses.CategoricalCrossentropy(), False),
        (losses.CategoricalFocalCrossentropy(from_logits=True), True),
        (losses.KLDivergence(), False),
        ("mse", None),
        (losses.BinaryCrossentropy(from_logits=True), None),
        (lambda y_true, y_pred: y_pred, None),
        (["categorical_crossentropy", losses.CategoricalCrossentropy()], False),
        (["categorical_crossentropy", losses.CategoricalCrossentropy(from_logits=True)], None),
    ],
)
def test_answer(loss, answer):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    model.compile("sgd", loss)
    assert outputs_are_logits(model) is answer


def test_not_compiled():
    assert outputs_are_logits(keras.Sequential([keras.Input((3,))])) is None
