import keras
import numpy as np
import pytest
from techniques import models
from techniques.properties import (
    assert_on_int8_grid,
    assert_ranges_seen,
    assert_sparse,
    kernels,
    read,
)
from techniques.refusals import refused
from techniques.technique_test_case import TechniqueTestCase
from techniques.training import Technique

import kerasopt as ko
from kerasopt.layers.drop_in import DropIn


class TestCompression(TechniqueTestCase):
    layers = models.declaring
    sparsity = 0.5
    rounds_activations = True

    def callbacks(self, model, data):
        return [ko.callbacks.Compression(begin="50%")]

    def check(self, model):
        assert_sparse(kernels(model, of=DropIn), 0.5)
        assert_on_int8_grid(kernels(model, of=DropIn))
        assert_ranges_seen(model)


def test_nothing_declared_raises_before_training():
    model = Technique().make("convolutional")
    with refused(model, r"no trainable layer that declares compression.*`kerasopt.layers`"):
        model.fit(models.Batches(model), callbacks=[ko.callbacks.Compression()])


def test_what_is_declared_and_attached_by_another_callback_raises_before_training():
    model = TestCompression().make("sequential")
    with refused(model, "disjoint `rules`"):
        model.fit(
            models.Batches(model), callbacks=[ko.callbacks.Compression(), ko.callbacks.Pruning(0.3)]
        )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"scope": "row"}, "Received: scope='row'"),
        ({"criterion": "l3"}, "Received: criterion='l3'"),
        ({"begin": "x"}, "Received: begin='x'"),
        ({"freeze": -2}, "Received: freeze=-2"),
    ],
)
def test_arguments_out_of_range_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        ko.callbacks.Compression(**arguments)


def test_begin_after_freeze_raises_before_training():
    model = TestCompression().make("sequential")
    with refused(model, "`begin` must not come after `freeze`"):
        model.fit(
            models.Batches(model), callbacks=[ko.callbacks.Compression(begin="90%", freeze="10%")]
        )


def test_frozen_layers_stay_as_they_are(recwarn):
    def fit(*frozen):
        names = ("a", "b")
        made = [ko.layers.Dense(4, pruning=0.5, weight_quantizer="int8", name=n) for n in names]
        model = keras.Sequential([keras.Input((4,)), *made])
        for name in frozen:
            model.get_layer(name).trainable = False
        model.compile("adam", "mse")
        data = np.ones((8, 4))
        model.fit(data, data, verbose=0, callbacks=[ko.callbacks.Compression()])
        return [float((read(layer, "kernel") == 0).mean()) for layer in model.layers]

    assert fit() == [0.5, 0.5]
    assert fit("a") == [0.0, 0.5]
    assert not [str(each.message) for each in recwarn if "compression" in str(each.message)]
    with pytest.raises(ValueError, match="no trainable layer that declares compression"):
        fit("a", "b")
