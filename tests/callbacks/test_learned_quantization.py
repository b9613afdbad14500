"""Learned scales on all that every technique has to work on."""

import copy

import numpy as np
from techniques import models
from techniques.properties import assert_ranges_seen, kernels
from techniques.technique_test_case import TechniqueTestCase

import kerasopt as ko
from kerasopt.parametrization import links_of_model
from kerasopt.quantization import LSQWeight


class TestLearnedQuantization(TechniqueTestCase):
    rounds_activations = True

    def callbacks(self, model, data):
        how = {"weight_quantizer": "lsq", "activation_quantizer": "lsq"}
        return [ko.callbacks.QuantizationAware("int8", begin="50%", **how)]

    def check(self, model):
        assert kernels(model)
        for layer, name in kernels(model).values():
            (link,) = layer.parametrizations[name]
            assert isinstance(link, LSQWeight) and bool(link.enabled.value)
        assert_ranges_seen(model)

    def test_assigning_a_kernel_assigns_what_is_stored(self, trained):
        layer = copy.deepcopy(trained).get_layer("classifier")
        layer.kernel.assign(np.full(layer.kernel.shape, 3.0))
        np.testing.assert_array_equal(layer.kernel.stored.numpy(), 3.0)
        (link,) = layer.parametrizations["kernel"]
        largest = 127 * np.array(link.step.value())
        # The range stays what was learned.
        expected = np.broadcast_to(np.minimum(3.0, largest), layer.kernel.shape)
        np.testing.assert_allclose(layer.kernel.numpy(), expected, atol=largest.max() / 127)

    def test_counting_and_summary(self, trained):
        plain = models.convolutional()
        learned = [variable for each in links_of_model(trained) for variable in each.link.learned]
        shapes = sorted(tuple(weight.shape) for weight in (*plain.trainable_weights, *learned))
        assert sorted(tuple(weight.shape) for weight in trained.trainable_weights) == shapes
        assert learned and trained.count_params() > plain.count_params()
