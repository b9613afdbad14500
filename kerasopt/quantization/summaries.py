"""The quantizers in TensorBoard."""

import numpy as np

from kerasopt.parametrization import links_of_model
from kerasopt.quantization.activations import ActivationQuantizer
from kerasopt.quantization.measurement import measure
from kerasopt.quantization.quantizer import Quantizer
from kerasopt.training.technique import Summaries


class RoundingSummaries(Summaries):
    """Range and scale of each quantized activation, and the rounding error of each tensor."""

    def scalars(self, model, sample):
        for path, _, slot, link in links_of_model(model, ActivationQuantizer):
            tensor = _tag(path, slot)
            yield f"range/{tensor}/minimum", float(link.observer.minimum)
            yield f"range/{tensor}/maximum", float(link.observer.maximum)
            yield f"scale/{tensor}", float(link.scale)
        measured = measure(model, sample)
        for path, _, slot, link in links_of_model(model, Quantizer):
            error = measured.get(f"{path}/{slot}")
            if error is None or not link.is_enabled:
                continue
            if np.isfinite(error.sqnr):  # where nothing is changed it is infinite
                yield f"sqnr/{_tag(path, slot)}", error.sqnr
            yield f"clipped/{_tag(path, slot)}", error.clipped


def _tag(path, slot):
    # The output, by far the most common slot, is tagged by its layer alone.
    return path if slot == "output" else f"{path}/{slot}"
