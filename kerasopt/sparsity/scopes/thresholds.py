"""Scopes with one threshold for each layer, or for all."""

from kerasopt.sparsity.scopes.scope import SCOPES, Scope
from kerasopt.sparsity.scopes.selection import keep_highest


@SCOPES.register("layer")
class LayerScope(Scope):
    """The same sparsity in every layer; each keeps at least one group.

    ```python
    ko.callbacks.Pruning(0.8, scope="layer", rules=[("stem", None), ("classifier", 0.5)])
    ```
    """

    def keep(self, scores, sparsity):
        return [self._keep(target, sparsity) for target in scores]

    def _keep(self, target, sparsity):
        # A layer without weights would block the whole network.
        (kept,) = keep_highest(
            [target], min(round(sparsity * target.size), target.size - target.largest)
        )
        return kept


@SCOPES.register("global")
class GlobalScope(Scope):
    """One threshold for all layers: less important layers become sparser.

    ```python
    ko.callbacks.Pruning(ko.schedules.OneShot(0.8, "10%"), scope="global", criterion="saliency")
    ```
    """

    def keep(self, scores, sparsity):
        return keep_highest(scores, round(sparsity * sum(target.size for target in scores)))
