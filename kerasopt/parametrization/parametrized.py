"""A layer that reads its tensors through chains: a dynamic subclass.

Keras has no hook between a layer and its weights, so the class of the user's
layer is replaced by a subclass: the object, its name, its variables and its
place in the graph stay.
"""

import contextlib
import functools
import types

import keras

from kerasopt.graph.inner_operation import InnerOperation, inner_operations
from kerasopt.graph.parametrized import chain_name, own_class, slots_of
from kerasopt.graph.wrapping import wrap_in
from kerasopt.keras_internals.calls import noted
from kerasopt.keras_internals.layers import held_layers, is_built, unlocked, untrack
from kerasopt.keras_internals.saving import unpickled
from kerasopt.parametrization.chain import IN_TRAIN_STEP, Chain, chain_of
from kerasopt.parametrization.held_calls import with_held_calls
from kerasopt.parametrization.layouts import take_layout
from kerasopt.parametrization.link import Parametrization
from kerasopt.parametrization.links import link_like, links_of
from kerasopt.parametrization.location import locate
from kerasopt.parametrization.loops import update_loops
from kerasopt.parametrization.lora import enable_lora, without_lora
from kerasopt.parametrization.reading import (
    ACTIVATION_SLOTS,
    members,
    own_weight,
    stored_variable,
)


class Parametrized:
    """Mixin of all parametrized layers.

    Attributes:
        slots: Tuple of strings, the parametrized weights and `ACTIVATION_SLOTS`
            of this layer.
    """

    _own_class: type
    slots: tuple[str, ...] = ()
    # Paths to parametrized weights of inner layers that this layer's own code re-creates, plain,
    # when it is loaded.
    _inner: tuple[str, ...] = ()
    _pending: dict | None = None

    def __new__(cls, *args, **kwargs):
        # `type(layer)(...)` creates a layer of the user's class: chains belong to this object.
        return cls._own_class(*args, **kwargs)

    @property
    def parametrizations(self) -> dict:
        """Dict of slot to the list of its parametrizations, in the order in which they run."""
        return {slot: list(chain_of(self, slot).links) for slot in slots_of(self)}

    @property
    def weight_views(self) -> list:
        """List of the weights of this layer that are read through a chain."""
        return [getattr(self, slot) for slot in slots_of(self) if slot not in ACTIVATION_SLOTS]

    def __call__(self, *args, **kwargs):
        outputs = super().__call__(*args, **kwargs)
        if self._pending:
            # By now, layers that only `call` builds or creates exist, too.
            attach_pending(self)
            for path in self._pending or ():
                locate(self, path)  # raises if the code of this layer does not match the file
        return outputs

    def get_config(self):
        with contextlib.ExitStack() as plain:
            # Inner layers get their links from this layer: they must be plain until this one is
            # built, since `build` may track their weights (`SpectralNormalization` does).
            for inner in {id(layer): layer for layer in self._inner_layers()}.values():
                plain.enter_context(as_base(inner))
            plain.enter_context(as_base(self))
            layer = _serialize_base(self)
        # The loader builds the layer, and Keras compiles it, after this config.
        layer.pop("build_config", None)
        layer.pop("compile_config", None)
        recipe = self._pending
        if recipe is None:
            recipe = self.parametrizations | {path: links_at(self, path) for path in self._inner}
        return {
            "name": self.name,  # where code that renames copies looks for it
            "layer": layer,
            "parametrizations": {
                path: [_serialize(link) for link in links] for path, links in recipe.items()
            },
        }

    def _inner_layers(self):
        return [locate(self, path).layer for path in self._inner]

    @classmethod
    def from_config(cls, config):
        load = keras.saving.deserialize_keras_object
        own = getattr(cls, "_own_class", None)  # of an existing layer, which need not be registered
        kept = config["layer"]
        # The constructor of the layer need not accept a name.
        if "name" in config and "name" in kept["config"]:
            kept = {**kept, "config": {**kept["config"], "name": config["name"]}}
        layer = load(kept) if own is None else own.from_config(kept["config"])
        recipe = {
            path: [load(link) for link in links]
            for path, links in config["parametrizations"].items()
        }
        become(layer, slots_of(layer))
        return attach_when_built(layer, recipe)

    def build_from_config(self, config):
        super().build_from_config(config)
        # Keras sets it only later if a model is built by running its `call`.
        self.built = True
        attach_pending(self)

    def save_own_variables(self, store):
        stored = {
            id(variable): chain_of(self, slot).stored(own_weight(self, slot))
            for slot in slots_of(self)
            if (variable := stored_variable(self, slot)) is not None
        }
        with without_lora(self, slots_of(self)), as_base(self):
            self.save_own_variables(_Substituting(store, stored))

    def train_step(self, *args, **kwargs):
        # Inside a subclassed model, Keras tells layers that they train only if its `call` has a
        # `training` argument, and on JAX passes it on. Chains must always know.
        with noted(self, IN_TRAIN_STEP):
            return super().train_step(*args, **kwargs)

    def quantize(self, mode=None, config=None, **kwargs):
        raise ValueError(
            f"Keras' `quantize` does not support layer '{self.name}', which is compressed by "
            f"kerasopt. Call `kerasopt.finalize` first. Received: mode={mode}"
        )

    def __reduce__(self):
        _, arguments = super().__reduce__()  # a file, in memory
        return _unpickle, (self._own_class, *arguments)


def _unpickle(cls, file):
    # A function of this module, so that it is imported before the file is read.
    return unpickled(cls, file)


def _serialize_base(layer):
    try:
        return keras.saving.serialize_keras_object(layer)
    except (AttributeError, NotImplementedError, TypeError) as error:
        # Occurs in keras-hub, whose models do not use the configs of their layers.
        raise ValueError(
            f"Layer '{layer.name}' cannot be saved: `{type(layer).__name__}.get_config` fails "
            f"({str(error).strip().splitlines()[0]}). Fix it; or, if the model was converted, save "
            f"the quantized model instead and convert it after loading. Received: layer={layer}"
        ) from error


def _serialize(link):
    config = keras.saving.serialize_keras_object(link)
    config.pop("build_config", None)  # it is built when it is attached
    return config


class _Substituting:
    """A variable store that writes other values in place of some variables."""

    def __init__(self, store, values):
        self._store = store
        self._values = values

    def __setitem__(self, key, value):
        self._store[key] = self._values.get(id(value), value)


def links_at(layer, path: str) -> list:
    """Returns the links of the weight at `path` below `layer`."""
    location = locate(layer, path)
    return links_of(location.layer, location.slot)


@functools.cache
def parametrized_class(base: type, slots: tuple[str, ...], watches: bool = False) -> type:
    """Returns the subclass of `base` that reads `slots` through their chains.

    Args:
        base: A class of layers.
        slots: Tuple of strings.
        watches: Boolean, whether operations that its code calls are layers with chains.
    """

    def define(namespace):
        # Files name the items of a list of layers by class name: keep it, so that weights can be
        # exchanged between plain and parametrized models.
        namespace.update(__module__=__name__, __qualname__=base.__qualname__)
        namespace.update(_own_class=base, slots=slots, **members(base, slots, watches))
        if hasattr(base, "enable_lora"):
            namespace.update(enable_lora=enable_lora(base))

    cls = types.new_class(
        base.__name__, (Parametrized, *with_held_calls(base, slots)), exec_body=define
    )
    _register(cls)
    _register(Parametrized)  # for files, whatever the last class
    return cls


def become(layer, slots) -> None:
    """Turns `layer` into a parametrized layer with `slots`."""
    watches = any(map(slots_of, inner_operations(layer)))
    layer.__class__ = parametrized_class(own_class(layer), tuple(sorted(set(slots))), watches)


@contextlib.contextmanager
def as_base(layer):
    """Temporarily gives `layer` its own class back."""
    parametrized = type(layer)
    layer.__class__ = parametrized._own_class
    try:
        yield
    finally:
        layer.__class__ = parametrized


def attach(layer, weight: str, link: Parametrization) -> None:
    """Attaches `link` to the slot at the path `weight` below `layer`, or below its owner."""
    inner, slot, owner, path, _, holder = locate(layer, weight)
    variable = stored_variable(inner, slot)
    present = slots_of(inner)
    chain = chain_of(inner, slot) if slot in present else Chain(slot)
    chain.add(link, None if variable is None else variable.shape)
    if variable is not None:
        take_layout(link, variable)
    if link.holds_weight:
        _empty(inner, variable)
    if slot not in present:
        _hold(inner, chain_name(slot), chain)
        become(inner, (*present, slot))
    if isinstance(inner, InnerOperation):
        become(holder, slots_of(holder))
    if owner is not inner:
        become(owner, slots_of(owner))
        owner._inner = tuple(sorted({*owner._inner, path}))
    update_loops(layer)


def _empty(layer, variable) -> None:
    """Replaces a variable by one without values."""
    with unlocked(layer):
        empty = keras.Variable(
            keras.ops.zeros((0,), variable.dtype), trainable=False, name=variable.name
        )
        untrack(layer, variable)
        for name, value in list(vars(layer).items()):
            if value is variable:
                setattr(layer, name, empty)


def _hold(layer, name, chain) -> None:
    with unlocked(layer):
        setattr(layer, name, chain)
        # Chains come last, by slot: the order of `weights` must not depend on
        # the order of attaching.
        held_layers(layer).sort(key=lambda inner: inner.slot if isinstance(inner, Chain) else "")


def attach_when_built(layer, recipe: dict):
    """Attaches `recipe` (path to links) to `layer` as soon as it has its weights."""
    vars(layer)["_pending"] = recipe  # bypasses the tracker: the links are not attached yet
    # A wrapper's `build` may still track weights of an inner layer that is built before it.
    if is_built(layer) if isinstance(layer, keras.Model) else layer.built:
        attach_pending(layer)
        return layer
    build = layer.build

    @functools.wraps(build)
    def build_and_attach(*args, **kwargs):
        build(*args, **kwargs)
        attach_pending(layer)

    layer.build = build_and_attach
    return layer


def attach_pending(layer) -> None:
    """Attaches the links of the recipe of `layer` whose locations exist."""
    recipe = vars(layer).pop("_pending", None) or {}
    vars(layer)["_pending"] = {path: x for path, x in recipe.items() if not _is_there(layer, path)}
    for path, links in recipe.items():
        if path in layer._pending:
            continue
        inner, slot, _, _, functional, _ = locate(layer, path, operations=True)
        if not isinstance(inner, keras.layers.Layer):
            wrap_in(functional, inner)
        # An inner layer's own config or code may already have restored links.
        for link in links:
            if link_like(link, inner, slot) is None:
                attach(layer, path, link)
    if not layer._pending:
        del vars(layer)["_pending"]
    update_loops(layer)


def _is_there(layer, path: str) -> bool:
    """Whether there is a built layer at `path`: some are created or built only in `call`."""
    try:
        inner, slot, *_ = locate(layer, path, operations=True)
        if slot in ACTIVATION_SLOTS:
            return getattr(inner, "built", True)
        return stored_variable(inner, slot) is not None
    except (AttributeError, ValueError):  # Keras' own layers raise AttributeError
        return False


_register = keras.saving.register_keras_serializable("kerasopt", "Parametrized")
_register(Parametrized)
