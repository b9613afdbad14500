"""The core: layers that read weights and activations through functions (parametrizations)."""

from kerasopt.parametrization.attachment import parametrize, parametrized_layers, unparametrize
from kerasopt.parametrization.attachments import Attachments
from kerasopt.parametrization.baking import bake
from kerasopt.parametrization.functions import renew_functions
from kerasopt.parametrization.gradients import with_gradient_of
from kerasopt.parametrization.link import OptionalState, Parametrization, is_of_link
from kerasopt.parametrization.links import find_link, links_by_slot, links_of, links_of_model
from kerasopt.parametrization.location import is_rebuilt_from_configs
from kerasopt.parametrization.loops import weights_read_once
from kerasopt.parametrization.lora import merge_lora, set_own_weight
from kerasopt.parametrization.parametrized import Parametrized
from kerasopt.parametrization.reading import (
    ACTIVATION_SLOTS,
    FACTOR_SLOTS,
    fuses_attention,
    read_input,
    read_until,
)

__all__ = [
    "ACTIVATION_SLOTS",
    "FACTOR_SLOTS",
    "Attachments",
    "OptionalState",
    "Parametrization",
    "Parametrized",
    "bake",
    "find_link",
    "fuses_attention",
    "is_of_link",
    "is_rebuilt_from_configs",
    "links_by_slot",
    "links_of",
    "links_of_model",
    "merge_lora",
    "parametrize",
    "parametrized_layers",
    "read_input",
    "read_until",
    "renew_functions",
    "set_own_weight",
    "unparametrize",
    "weights_read_once",
    "with_gradient_of",
]
