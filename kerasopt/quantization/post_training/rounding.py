"""Rounding methods: whether a weight is rounded up or down."""

import abc
import math

import numpy as np

from kerasopt.axis import Axis, Choices
from kerasopt.quantization.formats import Format


class Rounding(Axis, abc.ABC):
    """Base class of rounding methods; a subclass implements `codes`.

    Attributes:
        needs_data: Boolean, whether `codes` needs `rows` and `target`.
    """

    needs_data = False

    @abc.abstractmethod
    def codes(self, columns, scale, format: Format, rows, target) -> np.ndarray:
        """Returns the integers that weights are rounded to, as float32; zeros stay zero.

        Args:
            columns: Array (G, K, C), the weights of a layer as matrix products.
            scale: Array of this shape.
            format: A symmetric `Format`.
            rows: Array (G, N, K), a sample of the inputs of the quantized layer.
            target: Array (G, N, C), the corresponding products in the float
                model.
        """


ROUNDINGS = Choices("rounding", Rounding)  # type: ignore[type-abstract]


@ROUNDINGS.register("nearest")
class Nearest(Rounding):
    """Rounds to the nearest integer (alias `"nearest"`)."""

    def codes(self, columns, scale, format, rows, target):
        return np.clip(np.rint(columns / scale), format.minimum, format.maximum)


@ROUNDINGS.register("adaround")
class AdaRound(Rounding):
    """AdaRound: rounds up or down to preserve the output of the layer (alias `"adaround"`).

    A weight w becomes `scale * (floor(w / scale) + h(v))`, with

        h(v) = clip(1.2 * sigmoid(v) - 0.1, 0, 1)

    where Adam learns v, layer by layer, to minimize

        mean over rows of |X W - X' W'|^2 + weight * sum(1 - |2 h(v) - 1|^beta)

    X and W are the inputs and weights of the float layer, X' and W' those of the quantized one,
    including earlier rounding errors. Output channels are divided by their standard deviations. The
    second term is off for the first fifth of the iterations; then beta falls from 20 to 2, which
    drives every h to 0 or 1. (The paper also includes the activation function after the product.)

    ```python
    rounding = ko.quantization.AdaRound(iterations=100)
    ko.quantize(model, "int4_weight_only", x, rounding=rounding)
    ```

    Args:
        iterations: Positive integer, steps of Adam for each layer.
        batch: Positive integer, the rows per step if a position sums over more than twice as many
            values; otherwise all rows are used.
        learning_rate: Positive float.
        weight: Positive float, the weight of the second term.

    Reference:
        Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization" (2020,
        https://arxiv.org/abs/2004.10568), equations 21 to 25.
    """

    needs_data = True

    def __init__(self, iterations=1000, batch=256, learning_rate=0.01, weight=0.01):
        for name, value in (("iterations", iterations), ("batch", batch)):
            if type(value) is not int or value < 1:
                raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")
        for name, value in (("learning_rate", learning_rate), ("weight", weight)):
            if not value > 0:
                raise ValueError(f"`{name}` must be above 0. Received: {name}={value!r}")
        self.iterations = iterations
        self.batch = batch
        self.learning_rate = learning_rate
        self.weight = weight

    def codes(self, columns, scale, format, rows, target):
        slope_of_error = self._slope_of_error(rows, target)
        is_free = columns != 0
        spread = target.std(axis=1, keepdims=True)
        gain = np.where(spread > 0, 1 / np.maximum(spread, 1e-12), 0.0).astype("float32")
        lower = np.floor(columns / scale)
        rest = np.clip((columns / scale - lower + 0.1) / 1.2, 1e-4, 1 - 1e-4)
        v = np.log(rest / (1 - rest)).astype("float32")
        step = _Adam(v.shape, self.learning_rate)
        for iteration in range(self.iterations):
            sigmoid = 1 / (1 + np.exp(-v))
            h = np.clip(1.2 * sigmoid - 0.1, 0, 1)
            codes = np.clip(lower + h * is_free, format.minimum, format.maximum)
            gradient = scale * gain**2 * slope_of_error(scale * codes)
            gradient *= (codes == lower + h) & is_free
            progress = (iteration / self.iterations - 0.2) / 0.8
            if progress > 0:
                beta = 2 + 9 * (1 + math.cos(progress * math.pi))
                centered = 2 * h - 1
                slope = np.sign(centered) * np.abs(centered) ** (beta - 1)
                gradient -= 2 * self.weight * beta * slope
            gradient *= np.where((h > 0) & (h < 1), 1.2 * sigmoid * (1 - sigmoid), 0)
            v -= step(gradient)
        up = is_free & (v >= 0)
        return np.clip(lower + up, format.minimum, format.maximum)

    def _slope_of_error(self, rows, target):
        """Returns the gradient of the mean square of `rows @ weights - target` by the weights."""
        count, inputs = rows.shape[1:]
        if inputs <= 2 * self.batch:
            # All rows at once cost no more than a batch.
            transposed = rows.transpose(0, 2, 1) * np.float32(2 / count)
            squares, products = transposed @ rows, transposed @ target
            return lambda weights: squares @ weights - products
        generator = np.random.default_rng(0)

        def slope(weights):
            chosen = generator.integers(count, size=self.batch)
            batch = rows[:, chosen]
            error = batch @ weights - target[:, chosen]
            return batch.transpose(0, 2, 1) @ error * np.float32(2 / self.batch)

        return slope

    def get_config(self):
        return {
            "iterations": self.iterations,
            "batch": self.batch,
            "learning_rate": self.learning_rate,
            "weight": self.weight,
        }


class _Adam:
    """Adam for a NumPy array (Kingma and Ba 2015)."""

    def __init__(self, shape, rate):
        self._rate, self._count = rate, 0
        self._mean = np.zeros(shape, "float32")
        self._square = np.zeros(shape, "float32")

    def __call__(self, gradient):
        self._count += 1
        self._mean += 0.1 * (gradient - self._mean)
        self._square += 0.001 * (gradient**2 - self._square)
        mean = self._mean / (1 - 0.9**self._count)
        square = self._square / (1 - 0.999**self._count)
        return self._rate * mean / (np.sqrt(square) + 1e-8)


get = ROUNDINGS.get
