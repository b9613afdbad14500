"""Ranges that preserve the distribution of values."""

import numpy as np

from kerasopt.quantization.observers.histogram import Histogram
from kerasopt.quantization.observers.observer import OBSERVERS


@OBSERVERS.register("kl")
class KullbackLeibler(Histogram):
    """The range that best preserves the distribution of values (alias `"kl"`).

    For every magnitude t, the distribution P of |x|, with values beyond t
    counted at t, is compared with Q, in which the counts are spread evenly over
    the bins of each integer:

        minimize KL(P || Q) = sum of P * log(P / Q)

    The range is from -t to t, or as far as there are values. The bin of zero,
    which is represented exactly, counts no more than its neighbours: after a
    ReLU it would dominate and call for steps as small as the bins.

    ```python
    ko.quantize(model, "int8", x, observer="kl")
    ```

    Reference:
        Migacz, "8-bit Inference with TensorRT" (GPU Technology Conference 2017).
    """

    def find(self, counts, centers, format):
        middle = len(counts) // 2
        magnitudes = counts[middle:] + counts[middle - 1 :: -1]
        magnitudes[0] = min(magnitudes[0], magnitudes[1])
        one_sided = not counts[:middle].any() or not counts[middle:].any()
        steps = format.maximum - format.minimum if one_sided else format.maximum
        if format.symmetric:
            steps = format.maximum
        if not magnitudes.any():
            return -np.inf, np.inf
        last = np.flatnonzero(magnitudes)[-1] + 1
        candidates = range(min(steps + 1, last), last + 1)
        divergences = [_divergence(magnitudes, size, steps + 1) for size in candidates]
        size = candidates[int(np.argmin(divergences))]
        limit = size * (centers[1] - centers[0])
        return -limit, limit


def _divergence(counts, size, steps):
    """Returns KL(P || Q) for a range of `size` bins that `steps` integers represent."""
    kept = counts[:size]
    clamped = kept.copy()
    clamped[-1] += counts[size:].sum()
    of = np.arange(size) * steps // size
    seen = kept > 0
    if not seen.any():  # all values would be clamped
        return np.inf
    totals = np.bincount(of, kept, minlength=steps)
    numbers = np.bincount(of, seen, minlength=steps)
    shared = np.where(seen, (totals / np.maximum(numbers, 1))[of], 0.0)
    # Values that were clamped to an empty bin have no counterpart.
    p, q = clamped / clamped.sum(), shared / shared.sum()
    both = (p > 0) & (q > 0)
    missing = p[(p > 0) & (q == 0)].sum()
    return float((p[both] * np.log(p[both] / q[both])).sum()) + (np.inf if missing else 0.0)
