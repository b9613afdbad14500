"""Ranges with the smallest rounding error."""

import numpy as np

from kerasopt.quantization.observers.histogram import Histogram
from kerasopt.quantization.observers.observer import OBSERVERS

_CANDIDATES = np.linspace(1.0, 0.02, 99)


@OBSERVERS.register("mse")
class MeanSquaredError(Histogram):
    """The range with the smallest mean squared rounding error (alias `"mse"`).

        minimize sum over bins: counts * (x - y(x))^2

    where y is the rounded value of x. Outliers are clamped if finer steps for
    the other values outweigh this. The range is from -t to t, or as far as
    there are values; 99 magnitudes t are tried.

    ```python
    ko.quantize(model, "int8", x, observer="mse")
    ```

    Reference:
        Choukroun et al., "Low-bit Quantization of Neural Networks for Efficient
        Inference" (2019, https://arxiv.org/abs/1902.06822).
    """

    def find(self, counts, centers, format):
        seen = np.flatnonzero(counts)
        counts, values = counts[seen], centers[seen]
        low, high = min(values[0], 0.0), max(values[-1], 0.0)
        limits = max(-low, high) * _CANDIDATES
        errors = [
            (counts * (values - _rounded(values, max(low, -t), min(high, t), format)) ** 2).sum()
            for t in limits
        ]
        best = int(np.argmin(errors))
        # The outermost values are not at the centers of their bins.
        limit = limits[best] if best else np.inf
        return -limit, limit


def _rounded(values, low, high, format):
    """Returns values rounded to a format that spans a range, in NumPy."""
    width = max(-low, high) if format.symmetric else high - low
    scale = width * float(format.step)
    zero_point = 0.0 if format.symmetric else np.rint(format.minimum - low / scale)
    codes = np.clip(np.rint(values / scale) + zero_point, format.minimum, format.maximum)
    return (codes - zero_point) * scale
