from techniques.properties import assert_on_int8_grid, assert_ranges_seen, kernels
from techniques.technique_test_case import TechniqueTestCase

import kerasopt as ko


class TestQuantizationAware(TechniqueTestCase):
    rounds_activations = True

    def callbacks(self, model, data):
        return [ko.callbacks.QuantizationAware("int8", begin="50%")]

    def check(self, model):
        assert_on_int8_grid(kernels(model))
        assert_ranges_seen(model)
