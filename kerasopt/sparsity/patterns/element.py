"""Individual weights (unstructured)."""

from kerasopt.sparsity.patterns.grouping import Grouping
from kerasopt.sparsity.patterns.pattern import PATTERNS, Pattern


@PATTERNS.register("element")
class Element(Pattern):
    """Every weight individually (unstructured): the most accurate, and the hardest to run fast.

    ```python
    ko.callbacks.Pruning(0.8, pattern="element")  # the default
    ```

    Reference:
        Han et al., "Learning both Weights and Connections for Efficient Neural Networks" (2015,
        https://arxiv.org/abs/1506.02626).
    """

    def grouping(self, shape, layout):
        return Grouping.elements(shape)
