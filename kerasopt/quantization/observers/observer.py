"""The base class of observers."""

import keras

from kerasopt import ops
from kerasopt.axis import Choices
from kerasopt.parametrization import OptionalState
from kerasopt.quantization.copyable import Copyable
from kerasopt.quantization.formats import Format


class Observer(Copyable, OptionalState):
    """Observes batches of values and keeps their range.

    A batch with a non-finite value only increases the count of such batches: it
    would spoil the range permanently, and `keras.optimizers.LossScaleOptimizer`
    skips its update, too.

    A subclass implements `follow`, creates its own state in `build`, and
    returns its constructor arguments in `arguments`.

    Attributes:
        minimum: Float32 scalar variable, the lower end of the range.
        maximum: Float32 scalar variable, the upper end. Both are 0 until a
            value was observed; under a `tf.distribute` strategy they are
            averaged over the replicas.
        batches: `BatchCounts`, the numbers of finite and non-finite batches.
        settles: Boolean, whether `settle` sets the range once, from all values
            observed so far. Otherwise it follows the batches.
    """

    settles = False

    def __init__(self, name=None, **kwargs):
        kwargs.pop("dtype", None)
        super().__init__(name=name, dtype="float32", **kwargs)

    def build(self, input_shape=None):
        self.minimum, self.maximum = (self.add_state(name) for name in ("minimum", "maximum"))
        self.batches = BatchCounts()
        self.batches.build()
        self.built = True

    def add_state(self, name, shape=()):
        """Returns a new float32 variable, of zeros."""
        return _add_state(self, name, shape)

    def update(self, inputs):
        """Observes a batch; returns the new minimum and maximum."""
        return self.watch(inputs)[:2]

    def watch(self, inputs):
        """Like `update`, but also returns whether the batch was finite, a boolean tensor."""
        kops = keras.ops
        low, high = ops.min_max(inputs)
        is_finite = kops.logical_and(kops.isfinite(low), kops.isfinite(high))
        self.batches.add(is_finite)
        for variable, value in self.follow(inputs, low, high):
            variable.assign(kops.where(is_finite, value, kops.convert_to_tensor(variable)))
        return *self.range, is_finite

    @property
    def range(self):
        """The minimum and the maximum, as tensors."""
        return tuple(map(keras.ops.convert_to_tensor, (self.minimum, self.maximum)))

    def follow(self, inputs, low, high) -> list:
        """Returns pairs of a variable and its new value after a batch.

        Args:
            inputs: Float32 tensor, the batch.
            low: Float32 scalar tensor, its smallest value.
            high: Float32 scalar tensor, its largest value.
        """
        raise NotImplementedError

    @property
    def has_range(self):
        """Boolean tensor, whether a nonzero value was observed."""
        minimum, maximum = self.range
        return keras.ops.logical_or(minimum < 0.0, maximum > 0.0)

    def settle(self, format: Format) -> None:
        """Sets the range for `format`, from all values observed so far."""


class BatchCounts(OptionalState):
    """Counts the batches of an observer.

    Attributes:
        seen: Float32 scalar variable, the number of batches with finite values
            only.
        left_out: Float32 scalar variable, the number of other batches.
    """

    def __init__(self, **kwargs):
        super().__init__(dtype="float32", **kwargs)

    def build(self, input_shape=None):
        self.seen = _add_state(self, "seen", ())
        self.left_out = _add_state(self, "left_out", ())
        self.built = True

    @property
    def numbers(self) -> tuple[int, int]:
        """Both counts."""
        seen, left_out = map(keras.ops.convert_to_numpy, (self.seen, self.left_out))
        return int(seen), int(left_out)

    def add(self, is_finite) -> None:
        """Counts a batch."""
        is_finite = keras.ops.cast(is_finite, "float32")
        self.seen.assign_add(is_finite)
        self.left_out.assign_add(1.0 - is_finite)


def _add_state(layer, name, shape):
    return layer.add_weight(
        shape=shape,
        initializer="zeros",
        trainable=False,
        autocast=False,
        aggregation="mean",
        name=name,
    )


OBSERVERS = Choices("observer", Observer)
