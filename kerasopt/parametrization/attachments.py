"""What is attached to a model for one training."""

from collections.abc import Callable

import keras

from kerasopt.parametrization.attachment import parametrize, unparametrize
from kerasopt.parametrization.functions import renew_functions
from kerasopt.parametrization.link import Parametrization


class Attachments:
    """Puts links on layers, finds those that are there already, and undoes itself.

    Args:
        model: The model that is trained: it is what gets saved, so it owns the
            parametrizations of layers that its own code creates.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self.paths: list[str] = []
        self.links: list[Parametrization] = []
        self._new: list[tuple[str, Parametrization]] = []
        self._ends: list[Callable[[], None]] = []

    def put(self, path: str, layer: keras.layers.Layer, slot: str, link: Parametrization):
        """Attaches `link` to a slot of the `layer` at `path` of the model.

        Returns:
            The link to move: the one of the same class which an earlier
            training, or the file that the model came from, has left there; else
            `link`.
        """
        present = getattr(layer, "parametrizations", {}).get(slot, ())
        found = next((member for member in present if type(member) is type(link)), None)
        if found is None:
            parametrize(self.model, f"{path}/{slot}", link)
            self._new.append((f"{path}/{slot}", link))
            found = link
        found.governed = True
        self.paths.append(f"{path}/{slot}")
        self.links.append(found)
        return found

    def put_for_training(self, path, layer, slot, link: Parametrization):
        """As `put`, for a link that leaves the model when the training ends."""
        link = self.put(path, layer, slot, link)
        weight = f"{path}/{slot}"
        if (weight, link) in self._new:
            self._new.remove((weight, link))
        self.at_end(lambda: unparametrize(self.model, weight, link))
        return link

    def at_end(self, undo: Callable[[], None]) -> None:
        """Calls `undo` when the training ends, or when all of it is undone."""
        self._ends.append(undo)

    def finish(self) -> None:
        """Makes the model forget the functions it traced without what was attached."""
        if self._new or self._ends:
            renew_functions(self.model)

    def end(self) -> None:
        """Takes off what was there for the training only."""
        ends, self._ends = self._ends, []
        for undo in reversed(ends):
            undo()
        if ends:
            renew_functions(self.model)

    def undo(self) -> None:
        """Takes off what was not there before."""
        for link in self.links:
            link.governed = False
        self.end()
        for weight, link in reversed(self._new):
            unparametrize(self.model, weight, link)
        self.finish()
        self._new, self.paths, self.links = [], [], []
