"""The base of what watches an activation."""

import abc

from kerasopt.parametrization import OptionalState
from kerasopt.quantization.copyable import Copyable
from kerasopt.quantization.formats import Format


class Observer(Copyable, OptionalState, abc.ABC):
    """Watches the batches that pass, and keeps a range.

    A subclass implements `update`; state of its own goes into `build`, and the
    arguments of its constructor into `arguments`.

    Attributes:
        minimum: Float32 scalar variable, the lower end of the range.
        maximum: Float32 scalar variable, the upper end. Both are 0 until
            something was seen; under a `tf.distribute` strategy they are
            averaged over the replicas.
        settles: Boolean, whether the range is found once, by `settle`, from all
            that was seen until then. Otherwise it follows the batches.
    """

    settles = False

    def __init__(self, name=None, **kwargs):
        kwargs.pop("dtype", None)
        super().__init__(name=name, dtype="float32", **kwargs)

    def build(self, input_shape=None):
        self.minimum, self.maximum = (self.add_state(name) for name in ("minimum", "maximum"))
        self.built = True

    def add_state(self, name, shape=()):
        """Returns a new float32 variable, of zeros."""
        return self.add_weight(
            shape=shape,
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="mean",
            name=name,
        )

    @abc.abstractmethod
    def update(self, inputs):
        """Takes a batch into account; returns the new minimum and maximum."""

    def settle(self, format: Format) -> None:
        """Sets the range to which `format` is to be fitted, from all that was seen."""
