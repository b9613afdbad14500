"""The magnitude criterion."""

import numpy as np

from kerasopt.sparsity.criteria.criterion import CRITERIA, Criterion


@CRITERIA.register("magnitude", "l1", l2={"order": 2})
class Magnitude(Criterion):
    """The absolute value of a weight, `|w|`.

    The score of a group of `size` weights is `(sum(|w|^order) / size)^(1/order)`: of order 1
    (aliases `"magnitude"` and `"l1"`) the mean magnitude, of order 2 (`"l2"`) the root mean square.
    For individual weights the order makes no difference.

    ```python
    ko.callbacks.Pruning(0.5, pattern="filter", criterion=ko.sparsity.Magnitude(order=2))  # "l2"
    ```

    Args:
        order: Positive integer, the order of the norm.

    References:
        - Han et al., "Learning both Weights and Connections for Efficient Neural
          Networks" (2015, https://arxiv.org/abs/1506.02626).
        - Of filters, by their L1 norm: Li et al., "Pruning Filters for Efficient
          ConvNets" (2017, https://arxiv.org/abs/1608.08710).
    """

    def __init__(self, order: int = 1):
        if not isinstance(order, int) or order < 1:
            raise ValueError(f"`order` must be a positive integer. Received: order={order!r}")
        self.order = order

    def __call__(self, weight):
        return np.abs(weight.value)

    def get_config(self):
        return {"order": self.order}
