"""Finding the ranges of activations from data."""

from collections.abc import Iterator

import keras
import numpy as np

from kerasopt import graph
from kerasopt.parametrization import renew_functions
from kerasopt.quantization.activations import ActivationQuantizer
from kerasopt.quantization.quantizer import Quantizer


def calibrate(model: keras.Model, links: list[Quantizer], data, batch_size, verbose: int) -> None:
    """Lets the observers of a model see data, and enables its quantizers.

    Args:
        model: The model; its quantizers are not enabled yet.
        links: The quantizers.
        data: What `model.predict` takes; `None` if nothing has to be seen.
        batch_size: As in `model.predict`.
        verbose: As in `model.predict`.

    Raises:
        ValueError: If there is no data, or an activation has no range in it.
    """
    observing = [link for link in links if isinstance(link, ActivationQuantizer)]
    if observing:
        _observe(model, observing, data, batch_size, verbose)
    for link in links:
        link.settle()
    _check_ranges(model)
    for link in links:
        link.enabled.assign(True)


def require_data(data) -> None:
    """Raises `ValueError` if there is no data."""
    if data is None:
        raise ValueError(
            "Ranges of activations, and corrections, are found from data: pass some hundred inputs "
            "as `calibration`, or take a spec that needs none, such as 'int8_dynamic' or "
            "'int8_weight_only'. Received: calibration=None"
        )


def _observe(model, observing, data, batch_size, verbose):
    require_data(data)
    for link in observing:
        link.calibrating = True
    try:
        renew_functions(model)
        model.predict(data, batch_size=batch_size, verbose=verbose)
    finally:
        for link in observing:
            link.calibrating = False
        renew_functions(model)


def _check_ranges(model):
    bad = {
        f"{path}/{slot}": (float(link.observer.minimum), float(link.observer.maximum))
        for path, slot, link in _activations(model)
    }
    bad = {
        where: (low, high)
        for where, (low, high) in bad.items()
        if not np.isfinite(low) or not np.isfinite(high) or low == high == 0
    }
    if bad:
        raise ValueError(
            f"{len(bad)} activations have values that are not finite in the calibration data, or "
            "none but zero, so they have no range. Look at the data, or leave the layers out with "
            f"rules (name, None). Received: {dict(list(bad.items())[:3])}"
        )


def _activations(model) -> Iterator[tuple[str, str, ActivationQuantizer]]:
    for path, layer in graph.layers(model):
        for slot, links in getattr(layer, "parametrizations", {}).items():
            for link in links:
                if isinstance(link, ActivationQuantizer):
                    yield path, slot, link
