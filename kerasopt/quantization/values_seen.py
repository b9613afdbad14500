"""What quantizers of activations have seen, told to the user."""

from __future__ import annotations

from kerasopt.quantization.activations import ActivationQuantizer
from kerasopt.quantization.site import Site
from kerasopt.warning import warn


def without_range(sites: list[Site]) -> dict[str, tuple[float, float]]:
    """Returns the activations of which nothing usable was seen, with what was."""
    return {
        f"{site.path}/{site.slot}": site.quantizer.observed
        for site in sites
        if isinstance(site.quantizer, ActivationQuantizer) and not site.quantizer.has_range
    }


def why_without_range(quantizer: ActivationQuantizer) -> str:
    """Returns in a few words why a quantizer has no range."""
    seen, left_out = quantizer.observer.batches.numbers
    if seen:
        return f"nothing but zero in {seen} batches"
    if left_out:
        return f"values that are not finite in each of {left_out} batches"
    return "no training data has passed through"


def warn_of_values(sites: list[Site], model: str) -> None:
    """Warns of activations that were never usable, and of those that some batches had not."""
    bad = without_range(sites)
    if bad:
        warn(
            f"{len(bad)} activations of '{model}' were never anything but zero, or not finite, so "
            "they have no range and stay in float32. Look at the data and at the loss, and leave "
            "layers whose outputs are always zero out with rules (name, None). "
            f"Received: {_first(bad)}",
        )
    warn_of_batches(sites, model)


def warn_of_batches(sites: list[Site], model: str) -> None:
    """Warns of batches that ranges leave out."""
    partly = {
        f"{site.path}/{site.slot}": f"{site.quantizer.left_out} of {_batches(site)} batches"
        for site in sites
        if isinstance(site.quantizer, ActivationQuantizer)
        and site.quantizer.left_out
        and site.quantizer.has_range
    }
    if partly:
        warn(
            f"{len(partly)} activations of '{model}' had values that are not finite in some "
            "batches, which are left out of their ranges. Look at the data and at the loss. "
            f"Received: {_first(partly)}",
        )


def _batches(site):
    return sum(site.quantizer.observer.batches.numbers)


def _first(found):
    return dict(list(found.items())[:3])
