"""The base of fake quantization: values rounded as integers would be, inside the training step."""

import keras

from kerasopt import ops
from kerasopt.axis import Choices
from kerasopt.parametrization import Parametrization
from kerasopt.quantization.copyable import Copyable
from kerasopt.quantization.formats import FloatFormat, Format


class Quantizer(Copyable, Parametrization):
    """Base of the links that round a tensor to the values of a format.

    Args:
        format: A `Format` or a `FloatFormat`, as the class can round to.
        enabled: Boolean, whether it rounds from the beginning.

    Attributes:
        enabled: Boolean variable. A quantizer that is not enabled returns its
            input; one that observes observes it.
        settled_bits: Integer variable, the width for which `settle` or `narrow` was
            called last; 0 before.
    """

    order = 30
    # What the class rounds to if nothing else is said.
    default_format: Format | FloatFormat
    # Whether its integers have to be symmetric, or must not be; `None`: they may be either.
    is_symmetric: bool | None = None

    def __init__(self, format=None, enabled=True, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        if isinstance(format, dict):
            format = keras.saving.deserialize_keras_object(format)
        self.format = self.default_format if format is None else format
        self.check_format()
        self.initially_enabled = enabled

    def check_format(self):
        """Raises `ValueError` if the class cannot round to `self.format`."""
        if not isinstance(self.format, Format) or self.format.bits < 2:
            self.refuse("integers of 2 bits or more")
        if self.is_symmetric not in (None, self.format.symmetric):
            self.refuse("symmetric integers" if self.is_symmetric else "asymmetric integers")

    def refuse(self, wanted: str):
        """Raises the error of a format that is not among those that are wanted."""
        raise ValueError(
            f"A {type(self).__name__} rounds to {wanted}. Received: format={self.format!r}"
        )

    @property
    def bits(self) -> int:
        """The width of a value."""
        return self.format.bits

    def build(self, input_shape):
        self.enabled = self.add_weight(
            dtype="bool",
            initializer="ones" if self.initially_enabled else "zeros",
            trainable=False,
            aggregation="only_first_replica",
            name="enabled",
        )
        self.settled_bits = self.add_weight(
            dtype="int32",
            initializer=keras.initializers.Constant(self.bits if self.initially_enabled else 0),
            trainable=False,
            aggregation="only_first_replica",
            name="settled_bits",
        )
        self.built = True

    @property
    def is_enabled(self) -> bool:
        """Whether it rounds now."""
        # The value of a variable that replicas mirror is an object, which is true in any case.
        return bool(keras.ops.convert_to_numpy(self.enabled))

    def round(self, inputs, scale, zero_point):
        """Returns `inputs` on the grid of the format.

            q = clamp(rint(x / scale) + zero_point)
            y = (q - zero_point) * scale

        The gradient of y with respect to x is 1 where q was not clamped, else 0:
        the straight-through estimator (Bengio et al. 2013,
        https://arxiv.org/abs/1308.3432). Ties go to the even integer.
        """
        return ops.fake_quantize(
            inputs, scale, zero_point, qmin=self.format.minimum, qmax=self.format.maximum
        )

    @property
    def learned(self) -> list[keras.Variable]:
        """The variables that are trained together with the weights of the model."""
        return []

    def settle(self, value=None) -> None:
        """Sets what is found once, before it is enabled.

        Args:
            value: Of a weight, what the quantizer receives, a float32 tensor.
        """

    def change_width(self, format: Format, value=None) -> None:
        """Rounds to fewer or more bits from now on; what is found once is found anew.

        Functions of the model have to be renewed afterwards.

        Args:
            format: The new `Format`.
            value: As in `settle`.
        """
        self.format = format
        self.settle(value)

    def arguments(self):
        return {"format": self.format, "enabled": self.initially_enabled}


ACTIVATION_QUANTIZERS = Choices("activation_quantizer", Quantizer, "kerasopt.quantization")
