"""What a callback has attached to the model in one fit."""

import keras

from kerasopt.callbacks.timed import attached
from kerasopt.parametrization import (
    Parametrization,
    Place,
    parametrize,
    places,
    renew_functions,
    unparametrize,
)


class Attachments:
    """Puts links on layers, finds those that are there already, and undoes itself.

    Args:
        model: The model that is trained: it is what gets saved, so it owns the
            parametrizations of layers that its own code creates.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self.links: list[Parametrization] = []
        self._new: list[tuple[Place, str, Parametrization]] = []
        self._places = {id(place.layer): place for place in places(model)}

    def put(self, layer: keras.layers.Layer, slot: str, link: Parametrization) -> Parametrization:
        """Attaches `link` to a slot of `layer`; returns the one that does the moving.

        That is the link of the same class which an earlier training, or the
        file that the model came from, has left there; else `link`.
        """
        present = getattr(layer, "parametrizations", {}).get(slot, ())
        found = next((member for member in present if type(member) is type(link)), None)
        if found is None:
            place = self._places[id(layer)]
            parametrize(place.owner, place.slot(slot), link)
            self._new.append((place, slot, link))
            found = link
        self.links.append(found)
        return found

    def finish(self) -> None:
        """Makes the model forget the functions it traced without the links."""
        if self._new:
            renew_functions(self.model)

    def undo(self) -> None:
        """Takes off what was not there before."""
        for place, slot, link in reversed(self._new):
            unparametrize(place.owner, place.slot(slot), link)
        self.finish()
        self._new, self.links = [], []


def forbid_overlap(callback) -> None:
    """Raises if two callbacks of one fit would move the same state.

    Args:
        callback: A `TimedCallback` that has its `_attachments`.
    """
    own = {id(link) for link in callback._attachments.links}
    for other in attached(callback.model):
        if other is callback or not hasattr(other, "_attachments"):
            continue
        shared = [link for link in other._attachments.links if id(link) in own]
        if shared:
            raise ValueError(
                f"Two callbacks of this `fit` ({type(callback).__name__} and "
                f"{type(other).__name__}) govern the same {len(shared)} weights. Give them "
                'disjoint `rules`, each ending with `("*", None)`. '
                f"Received: {[link.path for link in shared[:3]]}"
            )
