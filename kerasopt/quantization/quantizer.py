"""The base class of fake quantization, inside the training step."""

import keras

from kerasopt import ops
from kerasopt.axis import Choices
from kerasopt.parametrization import Parametrization
from kerasopt.quantization.copyable import Copyable
from kerasopt.quantization.formats import FloatFormat, Format


class Quantizer(Copyable, Parametrization):
    """Base class of parametrizations that round a tensor to the values of a format.

    Args:
        format: A `Format` or `FloatFormat` that the class supports.
        enabled: Boolean, whether it rounds from the start.

    Attributes:
        enabled: Boolean variable. A quantizer that is not enabled returns its
            input unchanged, but still observes it.
        settled_bits: Integer variable, the width for which `settle` or
            `change_width` was last called; 0 before that.
    """

    order = 30
    # The default format of the class.
    default_format: Format | FloatFormat
    # Whether its integers must be symmetric (`True`) or asymmetric (`False`); `None`: either.
    is_symmetric: bool | None = None

    def __init__(self, format=None, enabled=True, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        if isinstance(format, dict):
            format = keras.saving.deserialize_keras_object(format)
        self.format = self.default_format if format is None else format
        self.check_format()
        self.initially_enabled = enabled

    def check_format(self):
        """Raises `ValueError` if the class does not support `self.format`."""
        if not isinstance(self.format, Format) or self.format.bits < 2:
            self.refuse("integers of 2 bits or more")
        if self.is_symmetric not in (None, self.format.symmetric):
            self.refuse("symmetric integers" if self.is_symmetric else "asymmetric integers")

    def refuse(self, wanted: str):
        """Raises the error for an unsupported format."""
        raise ValueError(
            f"{type(self).__name__} supports only {wanted}. Received: format={self.format!r}"
        )

    @property
    def bits(self) -> int:
        """The bit width of a value."""
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
        """Whether rounding is on."""
        # The value of a mirrored variable is an object, which is always true.
        return bool(keras.ops.convert_to_numpy(self.enabled))

    def round(self, inputs, scale, zero_point):
        """Returns `inputs` on the grid of the format.

            q = clamp(rint(x / scale) + zero_point)
            y = (q - zero_point) * scale

        The gradient of y with respect to x is 1 where q was not clamped,
        otherwise 0: the straight-through estimator (Bengio et al. 2013,
        https://arxiv.org/abs/1308.3432). Ties go to the even integer.
        """
        return ops.fake_quantize(
            inputs, scale, zero_point, qmin=self.format.minimum, qmax=self.format.maximum
        )

    @property
    def learned(self) -> list[keras.Variable]:
        """The variables that are trained with the weights of the model."""
        return []

    def settle(self, value=None) -> None:
        """Sets ranges or scales that are set once, before the quantizer is enabled.

        Args:
            value: Float32 tensor, the input of the quantizer, if it belongs to
                a weight.
        """

    def change_width(self, format: Format, value=None) -> None:
        """Changes the bit width; ranges or scales that are set once are set again.

        The compiled functions of the model must be renewed afterwards.

        Args:
            format: The new `Format`.
            value: As in `settle`.
        """
        self.format = format
        self.settle(value)

    def arguments(self):
        return {"format": self.format, "enabled": self.initially_enabled}


ACTIVATION_QUANTIZERS = Choices("activation_quantizer", Quantizer)
