"""Scopes: over which weights a sparsity holds."""

from kerasopt.axis import resolve
from kerasopt.sparsity.scopes.erk import ErdosRenyiKernel
from kerasopt.sparsity.scopes.lamp import LAMP
from kerasopt.sparsity.scopes.scope import Scope
from kerasopt.sparsity.scopes.scores import Scores, hide
from kerasopt.sparsity.scopes.selection import keep_highest
from kerasopt.sparsity.scopes.thresholds import GlobalScope, LayerScope

__all__ = [
    "LAMP",
    "ErdosRenyiKernel",
    "GlobalScope",
    "LayerScope",
    "Scope",
    "Scores",
    "get",
    "hide",
    "keep_highest",
]

ALIASES: dict[str, type] = {
    "layer": LayerScope,
    "global": GlobalScope,
    "erk": ErdosRenyiKernel,
    "lamp": LAMP,
}


def get(identifier) -> Scope:
    """Returns a scope from its alias (such as `"global"`), its config or itself."""
    return resolve(identifier, Scope, ALIASES, "scope")
