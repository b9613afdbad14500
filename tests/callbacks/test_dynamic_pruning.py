"""The shared cases with all that a pruning may add to a model for the training."""

from techniques.properties import assert_sparse, kernels
from techniques.technique_test_case import TechniqueTestCase

import kerasopt as ko
from kerasopt.parametrization import links_of_model


class TestDynamicPruning(TechniqueTestCase):
    """Statistics of gradients in the optimizer, twice, and dense gradients under the masks."""

    sparsity = 0.5

    def callbacks(self, model, data):
        return [
            ko.callbacks.Pruning(
                ko.schedules.Linear(0.0, 0.5, begin=1, end=3),
                criterion="saliency",
                regrowth=ko.sparsity.RigL(0.5, begin=2, end=6, frequency=1),
            )
        ]

    def check(self, model):
        assert_sparse(kernels(model), 0.5)
        # What is there for the training leaves with it.
        optimizer = getattr(model, "optimizer", None)  # a clone has none
        assert not hasattr(getattr(optimizer, "inner_optimizer", optimizer), "_watches")
        assert not any(each.link.dense_gradient for each in links_of_model(model))
