"""Calibration: activation ranges from data."""

import keras

from kerasopt.parametrization import renew_functions
from kerasopt.quantization.activations import ActivationQuantizer
from kerasopt.quantization.site import Site
from kerasopt.quantization.values_seen import warn_of_batches, without_range
from kerasopt.warning import warn


def calibrate(model: keras.Model, sites: list[Site], data, batch_size, verbose: int) -> None:
    """Runs calibration data through a model with quantizers of activations.

    Args:
        model: The model; its quantizers are not enabled yet.
        sites: The sites of the quantizers.
        data: Data for `model.predict`; `None` if no range needs calibration.
        batch_size: As in `model.predict`.
        verbose: As in `model.predict`.

    Raises:
        ValueError: If there is no data, an activation has non-finite values, or all activations are
            zero.
    """
    observing = [site for site in sites if isinstance(site.quantizer, ActivationQuantizer)]
    if observing:
        links = [site.quantizer for site in observing]
        _observe(model, links, data, batch_size, verbose)
        _check_ranges(model, observing)


def require_data(data) -> None:
    """Raises `ValueError` if there is no data."""
    if data is None:
        raise ValueError(
            "Activation ranges and corrections need data: pass a few hundred inputs as "
            "`calibration`, or a spec that needs none, such as 'int8_dynamic' or "
            "'int8_weight_only'. Received: calibration=None"
        )


def _observe(model, observing, data, batch_size, verbose):
    require_data(data)
    seen = _Batches()
    for link in observing:
        link.calibrating = True
    try:
        renew_functions(model)
        model.predict(data, batch_size=batch_size, verbose=verbose, callbacks=[seen])
    except UnboundLocalError as error:
        if seen.count:
            raise
        # Keras raises this for data without a batch.
        raise ValueError("`calibration` has no examples. Received: no batch") from error
    finally:
        for link in observing:
            link.calibrating = False
        renew_functions(model)


class _Batches(keras.callbacks.Callback):
    """Counts the batches of `predict`."""

    count = 0

    def on_predict_batch_end(self, batch, logs=None):
        self.count += 1


def _check_ranges(model, sites):
    bad = without_range(sites)
    zero = {path: seen for path, seen in bad.items() if seen == (0.0, 0.0)}
    if len(zero) < len(bad) or len(bad) == len(sites):
        raise ValueError(
            f"{len(bad)} activations are zero, or have non-finite values, in all calibration data, "
            "so they have no range. Check the data, or exclude the layers with rules (name, None). "
            f"Received: {dict(list(bad.items())[:3])}"
        )
    if zero:
        warn(
            f"{len(zero)} activations of '{model.name}' are always zero in the calibration data, "
            "so they have no range and stay float32. Check the data; if these layers are "
            f"initialized with zeros, train them first. Received: {list(zero)[:3]}",
        )
    warn_of_batches(sites, model.name)
