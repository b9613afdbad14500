"""What the drop-in layers have beside Keras' own."""

import functools

import keras

from kerasopt import graph
from kerasopt.keras_internals.calls import is_training
from kerasopt.parametrization import Parametrized, links_by_slot, parametrize
from kerasopt.quantization import (
    Quantizer,
    Recipe,
    Spec,
    WeightQuantizer,
    specs,
)
from kerasopt.sparsity import Mask, sparsity_schedule
from kerasopt.warning import warn

DOC = """

    The layer declares its compression and computes as Keras' own until
    `kerasopt.callbacks.Compression()`, in the callbacks of `fit`, moves what is
    declared; `fit` without it warns. Other arguments are those of
    `keras.layers.{name}`.

    Example:

    ```python
    layer = kerasopt.layers.{name}({example}, pruning=0.5, weight_quantizer="int8")
    ```

    Args:
        weight_quantizer: For the weights: a `kerasopt.quantization.Spec` or its
            alias, such as `"int8"` or `"binary"`; or a quantizer of weights,
            such as `kerasopt.quantization.DoReFaWeight()`. Defaults to `None`:
            not quantized.
        input_quantizer: The same for the input, with quantizers of activations.
        output_quantizer: The same for the output.
        pruning: A `kerasopt.schedules.Schedule` of the fraction of zeros, or a
            float in [0, 1). Defaults to `None`: not pruned.
    """

_DECLARATIONS = ("weight_quantizer", "input_quantizer", "output_quantizer", "pruning")


class DropIn:
    """Base of the layers that declare their own compression."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "_example" not in vars(cls):
            return  # made on the fly, by parametrization
        cls.__doc__ += DOC.format(name=cls.__name__, example=cls._example)
        base_build, base_call, base_quantize = (
            getattr(super(cls, cls), name) for name in ("build", "call", "quantize")
        )

        # `wraps` keeps the signatures, which Keras inspects.
        @functools.wraps(base_build)
        def build(self, *args, **kwargs):
            base_build(self, *args, **kwargs)
            self.built = True
            # One that a file has is given its links by the file's config.
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
            # Keras quantizes its own classes only; of the subclasses, this one computes as they do.
            return base_quantize(self, mode, type_check and type(self) is not cls, **kwargs)

        cls.build, cls.call, cls.quantize = build, call, quantize

    # Keras' `Embedding(weights=...)` is built before it is made.
    _is_made = False

    def __init__(
        self,
        *args,
        weight_quantizer=None,
        input_quantizer=None,
        output_quantizer=None,
        pruning=None,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.weight_quantizer = _declared(_quantization, weight_quantizer)
        self.input_quantizer = _declared(_quantization, input_quantizer)
        self.output_quantizer = _declared(_quantization, output_quantizer)
        self.pruning = _declared(sparsity_schedule, pruning)
        self._is_made = True
        if self.built:
            self._attach_declared()

    def parts(self):
        """Returns (path below this layer, layer) of all that has weights to compress.

        Those are the layer itself, or the cell and the projections that it is made of.
        """
        inner = [(f"{path}/", layer) for path, layer in graph.layers(self)]
        return [part for part in [("", self), *inner] if graph.weight_names(part[1])]

    @property
    def _declarations(self):
        declared = {name: getattr(self, name) for name in _DECLARATIONS}
        return {name: value for name, value in declared.items() if value is not None}

    def _attach_declared(self):
        if self._declarations and any(layer.quantization_mode for _, layer in self.parts()):
            raise ValueError(
                f"Keras quantizes layer '{self.name}' because of its dtype policy, so it can "
                "declare no compression: leave one of the two out. "
                f"Received: dtype={self.dtype_policy.name}, {', '.join(self._declarations)}"
            )
        for path, layer in self.parts():
            for name in graph.weight_names(layer):
                if self.pruning is not None:
                    parametrize(self, path + name, Mask())
                quantizer = _recipe(self.weight_quantizer).weight(layer, name, enabled=False)
                if quantizer is not None:
                    parametrize(self, path + name, quantizer)
        slots = [("input", self.input_quantizer), ("output", self.output_quantizer)]
        # What is rounded on the way to the output is so as the output is.
        if isinstance(self, (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)):
            slots.append(("between", self.output_quantizer))
        if graph.has_kernel(self) and graph.activation_bounds(self) is None:
            slots.append(("pre_activation", self.output_quantizer))
        for slot, declared in slots:
            quantizer = _recipe(declared).activation(enabled=False)
            if quantizer is not None:
                parametrize(self, slot, quantizer)

    def become_plain(self):
        """Makes the layer the one of Keras that it stands in for, and declare nothing."""
        if "_example" not in vars(type(self)):
            return  # a class of the user's own, whose code is not Keras'
        for name in (*_DECLARATIONS, "_is_made"):
            delattr(self, name)
        self.__class__ = next(base for base in type(self).__mro__ if not issubclass(base, DropIn))

    def _warn_if_nothing_moves(self):
        layers = [self, *(layer for _, layer in self.parts())]
        links = [link for layer in layers for _, link in links_by_slot(layer)]
        trains = self.trainable and is_training(self)
        if trains and not all(link.governed for link in links):
            warn(
                f"Layer '{self.name}' declares compression that no callback of this `fit` moves: "
                "it trains as a plain layer. Pass `callbacks=[kerasopt.callbacks.Compression()]`; "
                "in a training loop of your own see `kerasopt.quantization.start_rounding`.",
            )

    def get_config(self):
        return super().get_config() | {
            name: keras.saving.serialize_keras_object(value)
            for name, value in self._declarations.items()
        }


def _declared(get, identifier):
    return None if identifier is None else get(identifier)


def _quantization(identifier):
    """Returns a `Spec`, or the config of a quantizer: the layer has no quantizers as its parts."""
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, Quantizer):
        return keras.saving.serialize_keras_object(identifier)
    return specs.get(identifier)


def _recipe(declared):
    """Returns the recipe for what a layer declares of its weights, or of an activation."""
    if declared is None:
        return Recipe(Spec(None, None))
    if isinstance(declared, Spec):
        return Recipe(declared)
    quantizer = keras.saving.deserialize_keras_object(dict(declared))
    if isinstance(quantizer, WeightQuantizer):
        return Recipe(Spec(quantizer.format, None), weights=quantizer)
    return Recipe(Spec(None, quantizer.format), activations=quantizer)
