"""Finds the links of layers and models."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras

from kerasopt.graph.parametrized import slots_of
from kerasopt.graph.traversal import layers
from kerasopt.parametrization.chain import chain_of
from kerasopt.parametrization.link import Parametrization


class Attached(NamedTuple):
    """A link in a model: on `slot` of the `layer` at `path`."""

    path: str
    layer: keras.layers.Layer
    slot: str
    link: Any


def links_of(layer: keras.Operation, slot: str, kind: Any = Parametrization) -> list:
    """Returns the links of a slot, in running order.

    Args:
        layer: A layer or operation, parametrized or not.
        slot: String, the attribute name of a weight, or one of `ACTIVATION_SLOTS`.
        kind: The class of links to return, or a union of classes.
    """
    members = chain_of(layer, slot).links if slot in slots_of(layer) else ()
    return [link for link in members if isinstance(link, kind)]


def find_link(layer: keras.Operation, slot: str, kind: Any) -> Any:
    """Returns the first link of a class on a slot, or `None`."""
    return next(iter(links_of(layer, slot, kind)), None)


def link_like(link: Parametrization, layer: keras.Operation, slot: str) -> Any:
    """Returns the link on a slot of the same class as another one, or `None`."""
    return next((each for each in links_of(layer, slot) if type(each) is type(link)), None)


def links_by_slot(layer: keras.Operation, kind: Any = Parametrization) -> list[tuple[str, Any]]:
    """Returns (slot, link) for all links of a class on a layer, without inner layers."""
    return [(slot, link) for slot in slots_of(layer) for link in links_of(layer, slot, kind)]


def links_of_model(model: keras.layers.Layer, kind: Any = Parametrization) -> Iterator[Attached]:
    """Yields every link of a class on the layers of a model, in the order of the layers.

    Example:

    ```python
    model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(10, name="top")])
    ko.parametrize(model, "top/kernel", ko.sparsity.Mask())
    for path, layer, slot, link in ko.parametrization.links_of_model(model):
        print(path, slot, link.mask.shape)  # top kernel (784, 10)
    ```

    Args:
        model: A `keras.Model`, or a layer that holds others.
        kind: As in `links_of`.

    Yields:
        (path, layer, slot, link) of each.
    """
    for path, layer in layers(model):
        for slot, link in links_by_slot(layer, kind):
            yield Attached(path, layer, slot, link)
