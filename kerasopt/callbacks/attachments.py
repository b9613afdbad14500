"""What a callback has attached to the model in one fit."""

import keras

from kerasopt.parametrization import (
    Parametrization,
    parametrize,
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
        self.paths: list[str] = []
        self.links: list[Parametrization] = []
        self._new: list[tuple[str, Parametrization]] = []

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

    def finish(self) -> None:
        """Makes the model forget the functions it traced without the links."""
        if self._new:
            renew_functions(self.model)

    def undo(self) -> None:
        """Takes off what was not there before."""
        for link in self.links:
            link.governed = False
        for weight, link in reversed(self._new):
            unparametrize(self.model, weight, link)
        self.finish()
        self._new, self.paths, self.links = [], [], []
