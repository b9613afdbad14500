"""Widths under a budget on EfficientNet-Lite0: the front, and what the widths are worth.

The sensitivity of each layer is measured on crops of ten photographs; then the weights are rounded
without training to the widths that fit into as many bytes as one width for all layers would take,
and to that width. What counts is the share of 500 crops of ten other photographs with the same
top-1 class as the float network.

    python examples/benchmarks/width_front.py --figure docs/quantization/front.png
"""

import argparse
import os

import imagenet_task as task
import results
from PIL import Image

import kerasopt as ko

WIDTHS = (2, 3, 4, 5, 6, 8)
COMPARED = (4, 5, 6)
COLUMNS = {
    "weights": ("Weights", ""),
    "kilobytes": ("kB", ",.0f"),
    "same": ("Same first class (%)", ".1f"),
    "cosine": ("Mean cosine of the logits", ".4f"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure", default="front.png", help="file to draw to")
    parser.add_argument("--crops", type=int, default=500)
    parser.add_argument("--calibration", type=int, default=32, help="crops to measure on")
    results.add_output(parser, "width_front")
    arguments = parser.parse_args()
    model = task.efficientnet_lite0()
    seen = task.crops(slice(0, 10), arguments.calibration, seed=0)
    images = task.crops(slice(10, 20), arguments.crops, seed=1)
    expected = model.predict(images, verbose=0)
    analysis = ko.quantization.width_sensitivity(model, seen, WIDTHS, verbose=0)
    analysis.plot(arguments.figure)
    # With few colours the file is a quarter as large.
    Image.open(arguments.figure).convert("RGB").quantize(64).save(arguments.figure, optimize=True)
    rows, uniform = {}, {next(iter(each.bits.values())): each for each in analysis.uniform()}
    for bits in COMPARED:
        widths = analysis.assign(uniform[bits].cost)
        for name, each in ((f"{bits} bits", uniform[bits]), ("best widths in as many", widths)):
            spec = ko.quantization.Spec(activations=None)
            made = ko.quantize(model, spec, rules=each.rules(activations=None), verbose=0)
            logits = made.predict(images, verbose=0)
            agreement = task.agreement(expected, logits)
            rows[f"{name}:{bits}"] = {"weights": name, "kilobytes": each.cost / 1000, **agreement}
    results.write(arguments.output, COLUMNS, rows)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
