"""Scopes of one threshold: for each layer, or for all."""

import keras

from kerasopt.sparsity.scopes.scope import Scope
from kerasopt.sparsity.scopes.selection import keep_highest


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
