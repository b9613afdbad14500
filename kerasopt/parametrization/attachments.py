"""The parametrizations that are attached to a model in one training."""

from collections.abc import Callable, Iterable

import keras

from kerasopt.parametrization.attachment import parametrize, unparametrize
from kerasopt.parametrization.functions import renew_functions
from kerasopt.parametrization.link import Parametrization
from kerasopt.parametrization.links import link_like


class Attachments:
    """Attaches parametrizations (links) to layers, reuses existing ones, and can undo itself.

    Args:
        model: The model that is trained. It is saved, so it owns the
            parametrizations of layers that its own code creates.

    Attributes:
        passing: List of the variables that are removed from the model when the
            training ends.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self.paths: list[str] = []
        self.links: list[Parametrization] = []
        self._new: list[tuple[str, Parametrization]] = []
        self._ends: list[Callable[[], None]] = []
        self.passing: list[keras.Variable] = []

    def put(self, path: str, layer: keras.layers.Layer, slot: str, link: Parametrization):
        """Attaches `link` to a slot of the `layer` at `path` of the model.

        Returns:
            The link to use: an existing one of the same class (from an earlier
            training, or from the file of the model), otherwise `link`.
        """
        found = link_like(link, layer, slot)
        if found is None:
            parametrize(self.model, f"{path}/{slot}", link)
            self._new.append((f"{path}/{slot}", link))
            found = link
        found.governed = True
        self.paths.append(f"{path}/{slot}")
        self.links.append(found)
        return found

    def put_for_training(self, path, layer, slot, link: Parametrization):
        """Like `put`, for a link that is removed when the training ends."""
        link = self.put(path, layer, slot, link)
        weight = f"{path}/{slot}"
        if (weight, link) in self._new:
            self._new.remove((weight, link))
        self.at_end(lambda: unparametrize(self.model, weight, link), link.variables)
        return link

    def at_end(self, undo: Callable[[], None], state: Iterable[keras.Variable] = ()) -> None:
        """Registers `undo`, to be called when the training ends or everything is undone.

        Args:
            undo: Function that removes something from the model.
            state: The variables that exist until then.
        """
        self._ends.append(undo)
        self.passing += state

    def finish(self) -> None:
        """Discards the functions that the model traced before attaching."""
        if self._new or self._ends:
            renew_functions(self.model)

    def end(self) -> None:
        """Removes what was attached for the training only."""
        ends, self._ends, self.passing = self._ends, [], []
        for undo in reversed(ends):
            undo()
        if ends:
            renew_functions(self.model)

    def undo(self) -> None:
        """Removes everything that was not there before."""
        for link in self.links:
            link.governed = False
        self.end()
        for weight, link in reversed(self._new):
            unparametrize(self.model, weight, link)
        self.finish()
        self._new, self.paths, self.links = [], [], []
