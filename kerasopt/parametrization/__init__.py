"""The core: layers that read their weights and activations through functions."""

from kerasopt.parametrization.attachment import parametrize, unparametrize
from kerasopt.parametrization.baking import finalize
from kerasopt.parametrization.functions import renew_functions
from kerasopt.parametrization.link import Parametrization
from kerasopt.parametrization.parametrized import Parametrized
from kerasopt.parametrization.tree import Place, places

__all__ = [
    "Parametrization",
    "Parametrized",
    "Place",
    "finalize",
    "parametrize",
    "places",
    "renew_functions",
    "unparametrize",
]
