"""Finds where a model computes images of which size."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import graph
from kerasopt.training.taps.finding import Place, everything
from kerasopt.training.taps.probes import Probes
from kerasopt.training.taps.tap import Tap


def images_by_size(model: keras.Model, x: Any) -> dict[tuple[int, ...], Place]:
    """Returns the last layer whose output are images of a size, for each size above 1.

    Layers that are called several times are left out.
    """
    places = [
        Place(path, layer, Tap(path))
        for path, layer in everything(model)
        if isinstance(layer, keras.Layer)
    ]
    probes = Probes(places)
    with probes.reading():
        model(x, training=False)
        calls = probes.take_all()
    counts = [index for index, _ in calls]
    spatial = slice(2, 4) if graph.is_channels_first(model) else slice(1, 3)
    found = {}
    for index, output in calls:
        shape = getattr(output, "shape", ())
        if len(shape) == 4 and counts.count(index) == 1 and max(shape[spatial]) > 1:
            found[tuple(shape[spatial])] = places[index]
    return found
