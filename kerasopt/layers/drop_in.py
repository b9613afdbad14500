"""The base class of the drop-in layers."""

import functools
import inspect
import textwrap

import keras

from kerasopt.keras_internals.calls import is_training
from kerasopt.parametrization import Parametrized, links_by_slot, parametrize
from kerasopt.training.declaring import Declaring
from kerasopt.training.technique import techniques
from kerasopt.warning import warn

DOC = """

    The layer only declares its compression: `kerasopt.callbacks.Compression()`,
    in the callbacks of `fit`, carries it out, and `fit` without that callback
    warns. Otherwise the layer computes as Keras' own. Other arguments are those
    of `keras.layers.{name}`.

    Example:

    ```python
    layer = kerasopt.layers.{name}({example}, pruning=0.5, weight_quantizer="int8")
    ```

    Args:
{arguments}
    """


def _keras_class(cls: type) -> type:
    """Returns the Keras layer that a drop-in layer stands for."""
    return next(base for base in cls.__mro__ if not issubclass(base, Declaring))


def _signature(cls: type) -> inspect.Signature:
    """Returns the signature of the Keras layer with the arguments that can be declared."""
    signature = inspect.signature(vars(_keras_class(cls))["__init__"])
    declared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
        for technique in techniques()
        for name in technique.arguments
    ]
    # `**kwargs` stays last.
    parameters = sorted([*signature.parameters.values(), *declared], key=lambda each: each.kind)
    return signature.replace(parameters=parameters)


class DropIn(Declaring):
    """Base class of layers that declare their compression."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "_example" not in vars(cls):
            return  # created dynamically, by parametrization
        described = "\n".join(technique.description for technique in techniques())
        cls.__doc__ += DOC.format(
            name=cls.__name__,
            example=cls._example,
            arguments=textwrap.indent(described, " " * 8),
        )
        base_init = cls.__init__
        base_build, base_call, base_quantize = (
            getattr(super(cls, cls), name) for name in ("build", "call", "quantize")
        )

        @functools.wraps(base_init)
        def __init__(self, *args, **kwargs):
            base_init(self, *args, **kwargs)

        # On the class, subclasses with arguments of their own would inherit it.
        __init__.__signature__ = _signature(cls)

        # `wraps` keeps the signatures, which Keras inspects.
        @functools.wraps(base_build)
        def build(self, *args, **kwargs):
            base_build(self, *args, **kwargs)
            self.built = True
            # A loaded layer gets its links from the file's config.
            if self._is_made and not isinstance(self, Parametrized):
                self._attach_declared()

        @functools.wraps(base_call)
        def call(self, *args, **kwargs):
            self._warn_if_nothing_moves()
            # Not `base_call`: a parametrized class may stand between the two.
            return super(cls, self).call(*args, **kwargs)

        @functools.wraps(base_quantize)
        def quantize(self, mode=None, type_check=True, **kwargs):
            if isinstance(self, Parametrized):  # Keras keeps this method when the class changes
                Parametrized.quantize(self, mode)
            # Keras quantizes its own classes only; this subclass computes as they do.
            return base_quantize(self, mode, type_check and type(self) is not cls, **kwargs)

        cls.__init__, cls.build, cls.call, cls.quantize = __init__, build, call, quantize

    # Keras' `Embedding(weights=...)` is built within `__init__`.
    _is_made = False

    def __init__(self, *args, **kwargs):
        arguments = {name: get for each in techniques() for name, get in each.arguments.items()}
        declared = {name: kwargs.pop(name, None) for name in arguments}
        super().__init__(*args, **kwargs)
        for name, value in declared.items():
            setattr(self, name, None if value is None else arguments[name](value))
        self._is_made = True
        if self.built:
            self._attach_declared()

    def _attach_declared(self):
        if self.declarations and any(layer.quantization_mode for _, layer in self.parts()):
            raise ValueError(
                f"Layer '{self.name}' has a quantized dtype policy, which is not supported "
                "together with declared compression: remove one of the two. Received: "
                f"dtype={self.dtype_policy.name}, {', '.join(self.declarations)}"
            )
        for technique in techniques():
            declared = {
                name: value
                for name, value in self.declarations.items()
                if name in technique.arguments
            }
            if declared:
                for path, link in technique.links(self, self.parts(), declared):
                    parametrize(self, path, link)

    def become_plain(self):
        """Turns the layer into the corresponding Keras layer, without declarations."""
        if "_example" not in vars(type(self)):
            return  # a custom subclass, whose code is not Keras'
        for technique in techniques():
            for name in technique.arguments:
                delattr(self, name)
        del self._is_made
        self.__class__ = _keras_class(type(self))

    def _warn_if_nothing_moves(self):
        layers = [self, *(layer for _, layer in self.parts())]
        links = [link for layer in layers for _, link in links_by_slot(layer)]
        trains = self.trainable and is_training(self)
        if trains and not all(link.governed for link in links):
            warn(
                f"Layer '{self.name}' declares compression, but no callback of this `fit` carries "
                "it out: it trains as a plain layer. Pass "
                "`callbacks=[kerasopt.callbacks.Compression()]`; in a custom training loop see "
                "`kerasopt.quantization.start_rounding`.",
            )

    def get_config(self):
        return super().get_config() | {
            name: keras.saving.serialize_keras_object(value)
            for name, value in self.declarations.items()
        }
