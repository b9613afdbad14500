"""Warnings about the values that activation quantizers have observed."""

from __future__ import annotations

from kerasopt.quantization.activations import ActivationQuantizer
from kerasopt.quantization.site import Site
from kerasopt.warning import warn


def without_range(sites: list[Site]) -> dict[str, tuple[float, float]]:
    """Returns the activations without usable observed values, with their observed ranges."""
    return {
        f"{site.path}/{site.slot}": site.quantizer.observed
        for site in sites
        if isinstance(site.quantizer, ActivationQuantizer) and not site.quantizer.has_range
    }


def why_without_range(quantizer: ActivationQuantizer) -> str:
    """Returns a short reason why a quantizer has no range."""
    seen, left_out = quantizer.observer.batches.numbers
    if seen:
        return f"only zeros in {seen} batches"
    if left_out:
        return f"non-finite values in each of {left_out} batches"
    return "no training data has been observed"


def warn_of_values(sites: list[Site], model: str) -> None:
    """Warns of activations without usable values, in all or in some batches."""
    bad = without_range(sites)
    if bad:
        warn(
            f"{len(bad)} activations of '{model}' were always zero or not finite, so they have no "
            "range and stay float32. Check the data and the loss, and exclude layers whose outputs "
            f"are always zero with rules (name, None). Received: {_first(bad)}",
        )
    warn_of_batches(sites, model)


def warn_of_batches(sites: list[Site], model: str) -> None:
    """Warns of batches that ranges ignore."""
    partly = {
        f"{site.path}/{site.slot}": f"{site.quantizer.left_out} of {_batches(site)} batches"
        for site in sites
        if isinstance(site.quantizer, ActivationQuantizer)
        and site.quantizer.left_out
        and site.quantizer.has_range
    }
    if partly:
        warn(
            f"{len(partly)} activations of '{model}' had non-finite values in some batches, which "
            f"their ranges ignore. Check the data and the loss. Received: {_first(partly)}",
        )


def _batches(site):
    return sum(site.quantizer.observer.batches.numbers)


def _first(found):
    return dict(list(found.items())[:3])
