"""Ranges that exclude outliers."""

import numpy as np

from kerasopt.quantization.observers.histogram import Histogram
from kerasopt.quantization.observers.observer import OBSERVERS


@OBSERVERS.register("percentile")
class Percentile(Histogram):
    """The range between two percentiles of the values (alias `"percentile"`).

    ```python
    ko.quantize(model, "int8", x, observer=ko.quantization.Percentile(99.9))
    ```

    Args:
        percentile: Float above 50 and up to 100: the percentage of values below
            the upper end of the range, and of those above the lower end.

    Reference:
        Wu et al., "Integer Quantization for Deep Learning Inference" (2020,
        https://arxiv.org/abs/2004.09602), section 4.1, for 99.9 to 99.9999.
    """

    def __init__(self, percentile: float = 99.99, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        if not 50 < percentile <= 100:
            raise ValueError(
                f"`percentile` must be above 50 and up to 100. Received: percentile={percentile}"
            )
        self.percentile = percentile

    def find(self, counts, centers, format):
        half = (centers[1] - centers[0]) / 2
        shares = np.cumsum(counts) / counts.sum()
        outside = 1 - self.percentile / 100
        first = np.searchsorted(shares, outside, side="right")
        last = np.searchsorted(shares, 1 - outside, side="left")
        return centers[first] - half, centers[min(last, len(centers) - 1)] + half

    def arguments(self):
        return {**super().arguments(), "percentile": self.percentile}
