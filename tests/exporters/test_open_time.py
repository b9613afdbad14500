"""`TimeDistributed` in files, of sequences of a length that the model leaves open."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from exporters.test_borders import RUNTIMES, exported
from keras import layers
from lowering.trained import randomize

import kerasopt as ko


def model_of_any_length():
    inputs = keras.Input((None, 6, 3))
    steps = layers.TimeDistributed(layers.Conv1D(4, 3), name="steps")(inputs)
    return randomize(keras.Model(inputs, steps))


# Keras itself takes as many steps as there are examples.
@pytest.mark.filterwarnings("ignore:Parts of")
@pytest.mark.parametrize("format", [*RUNTIMES, "tf_saved_model"])
def test_files_take_every_step(format, tmp_path):
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype("float32")
    model = model_of_any_length()
    for each in (model, ko.convert(ko.quantize(model, "int8", calibration=x, verbose=0))):
        inner = each.get_layer("steps").layer
        expected = np.stack([inner(step) for step in x.swapaxes(0, 1)], axis=1)
        if format == "tf_saved_model":
            ko.export(each, tmp_path / each.name, format=format, ops="portable")
            served = tf.saved_model.load(str(tmp_path / each.name))
            found = served.serve(x)
        else:
            (found,) = exported(each, format, tmp_path)(x)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_masked_steps_are_given_on(tmp_path):
    inputs = keras.Input((None, None), dtype="int32")
    words = layers.TimeDistributed(layers.GlobalAveragePooling1D())
    x = layers.TimeDistributed(layers.Embedding(9, 4))(inputs)
    model = randomize(keras.Model(inputs, words(x, mask=keras.ops.not_equal(inputs, 0))))
    x = np.array([[[1, 2, 0], [3, 0, 0]]] * 3)
    ko.export(model, tmp_path / "model", format="tf_saved_model")
    table = keras.ops.convert_to_numpy(model.weights[0])
    mean = np.stack([table[[1, 2]].mean(axis=0), table[3]])
    served = tf.saved_model.load(str(tmp_path / "model"))
    np.testing.assert_allclose(served.serve(x), [mean] * 3, atol=1e-6)


def test_the_model_is_as_before(tmp_path):
    model = model_of_any_length()
    ko.export(model, tmp_path / "model", format="tf_saved_model")
    assert "call" not in vars(model.get_layer("steps"))
