from techniques.properties import assert_sparse, kernels
from techniques.technique_test_case import TechniqueTestCase

import kerasopt as ko


class TestPruning(TechniqueTestCase):
    sparsity = 0.5

    def callbacks(self, model, data):
        return [ko.callbacks.Pruning(ko.schedules.Linear(0.0, 0.5, end="80%"))]

    def check(self, model):
        assert_sparse(kernels(model), 0.5)
