"""Where the state of a link lies on the devices of a `keras.distribution`."""

import keras

from kerasopt.keras_internals.variables import layout_of, set_layout
from kerasopt.parametrization.link import Parametrization


def take_layout(link: Parametrization, weight: keras.Variable) -> None:
    """Shards the state of a link as the weight that it belongs to.

    State of the weight's shape (a mask) takes its layout, state for each index of its last axis
    (scales of channels) that axis' part of it. Under `keras.distribution.ModelParallel` Keras would
    look their paths up in the layout map, find nothing and copy them to every device.
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
