"""The base of the tests of every technique."""

from techniques.endings import EndingTests
from techniques.keras_calls import KerasCallTests
from techniques.saving import SavingTests
from techniques.training import TrainingTests


class TechniqueTestCase(TrainingTests, SavingTests, KerasCallTests, EndingTests):
    """All cases that a technique has to pass.

    A technique supplies its callbacks and what has to hold after training:

    ```python
    class TestPruning(TechniqueTestCase):
        sparsity = 0.5

        def callbacks(self, model, data):
            return [ko.callbacks.Pruning(0.5)]

        def check(self, model):
            assert_sparse(model, 0.5)
    ```
    """
