"""Images that files resize: every interpolation computes what Keras does, or is refused."""

import keras
import numpy as np
import pytest
from exporters.test_borders import RUNTIMES, exported
from keras import layers, ops

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area")
# Of 10 pixels, 7 are 6.9999998 by the ratio.
SIZES = ((8, 7), (24, 31))


@pytest.mark.parametrize("format", RUNTIMES)
def test_every_interpolation_is_that_of_keras(format, tmp_path):
    inputs = keras.Input((12, 10, 3))
    outputs = {
        f"{interpolation}_{height}_{antialias}": ops.image.resize(
            inputs, (height, width), interpolation=interpolation, antialias=antialias
        )
        for interpolation in INTERPOLATIONS
        for height, width in SIZES
        for antialias in (False, True)
    }
    for kind in ("bicubic", "lanczos3"):
        outputs[f"layer_{kind}"] = layers.UpSampling2D(2, interpolation=kind)(inputs)
        first = layers.Resizing(5, 7, kind, crop_to_aspect_ratio=True, data_format="channels_first")
        outputs[f"first_{kind}"] = first(ops.transpose(inputs, (0, 3, 1, 2)))
    model = keras.Model(inputs, outputs)
    x = np.random.default_rng(0).uniform(size=(2, 12, 10, 3)).astype("float32")
    expected = model.predict(x, verbose=0)
    names = sorted(outputs)
    for name, found in zip(names, exported(model, format, tmp_path)(x), strict=True):
        np.testing.assert_allclose(found, expected[name], atol=1e-5, err_msg=name)


@pytest.mark.parametrize("format", RUNTIMES)
@pytest.mark.parametrize("interpolation", ["area", "bicubic", "lanczos3"])
def test_what_needs_the_sizes_says_so(interpolation, format, tmp_path):
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, layers.Resizing(8, 7, interpolation, name="small")(inputs))
    with pytest.raises(ValueError, match=r"\['small'\].*where sizes are not known: give `keras"):
        exported(model, format, tmp_path)
