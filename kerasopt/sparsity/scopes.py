"""Scopes: over which weights a sparsity holds."""

import keras

from kerasopt.sparsity.axis import resolve
from kerasopt.sparsity.erk import ErdosRenyiKernel
from kerasopt.sparsity.lamp import LAMP
from kerasopt.sparsity.scope import Scope
from kerasopt.sparsity.selection import keep_highest


@keras.saving.register_keras_serializable(package="kerasopt")
class LayerScope(Scope):
    """The same sparsity in every layer."""

    def keep(self, scores, sparsity):
        return [
            kept
            for target in scores
            for kept in keep_highest([target], round(sparsity * target.size))
        ]


@keras.saving.register_keras_serializable(package="kerasopt")
class GlobalScope(Scope):
    """One threshold for all layers: those that matter less become sparser."""

    def keep(self, scores, sparsity):
        return keep_highest(scores, round(sparsity * sum(target.size for target in scores)))


ALIASES: dict[str, type] = {
    "layer": LayerScope,
    "global": GlobalScope,
    "erk": ErdosRenyiKernel,
    "lamp": LAMP,
}


def get(identifier) -> Scope:
    """Returns a scope from its alias (such as `"global"`), its config or itself."""
    return resolve(identifier, Scope, ALIASES, "scope")
