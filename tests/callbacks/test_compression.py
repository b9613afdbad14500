from techniques import models
from techniques.properties import assert_on_int8_grid, assert_ranges_seen, assert_sparse, kernels
from techniques.technique_test_case import TechniqueTestCase

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
