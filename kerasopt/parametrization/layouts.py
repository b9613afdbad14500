"""The sharding of a link's state under a `keras.distribution`."""

import keras

from kerasopt.keras_internals.variables import layout_of, set_layout
from kerasopt.parametrization.link import Parametrization


def take_layout(link: Parametrization, weight: keras.Variable) -> None:
    """Shards the state of a link like its weight.

    State of the weight's shape (a mask) gets the layout of the weight, state of its last axis
    (channel scales) the layout of that axis. Otherwise, under `keras.distribution.ModelParallel`,
    Keras would not find their paths in the layout map and would replicate them on every device.
    """
    layout = layout_of(weight)
    if not isinstance(layout, keras.distribution.TensorLayout):
        return
    axes = {
        tuple(weight.shape[-1:]): layout.axes[-1:],
        tuple(weight.shape): layout.axes,
    }
    for variable in link.variables:
        found = axes.get(tuple(variable.shape))
        if found is not None and any(axis is not None for axis in found):
            set_layout(variable, keras.distribution.TensorLayout(found, layout.device_mesh))
