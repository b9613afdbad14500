"""Every file is run before it takes its name, also one of sequences and images of any size."""

import keras
import numpy as np
import pytest
from exporters.test_borders import RUNTIMES, exported
from keras import layers

from kerasopt.exporters.trial import trial_inputs

NETWORKS = {
    8: lambda x: layers.Conv1D(2, 3)(x),
    64: lambda x: layers.Conv1D(2, 20)(x),
}


@pytest.mark.parametrize("size", NETWORKS)
def test_sizes_are_those_that_the_model_takes(size):
    inputs = keras.Input((None, 4)), keras.Input((3,), dtype="int32")
    model = keras.Model(inputs, [NETWORKS[size](inputs[0]), inputs[1]])
    first, second = trial_inputs(model)
    assert first.shape == (1, size, 4) and second.shape == (1, 3) and second.dtype == np.int32


def test_a_batch_that_the_model_fixes_is_kept():
    inputs = keras.Input(batch_shape=(5, 4)), keras.Input(batch_shape=(5, None))
    first, second = trial_inputs(keras.Model(inputs, list(inputs)))
    assert first.shape == (5, 4) and second.shape == (5, 8)


@pytest.mark.parametrize("format", RUNTIMES)
def test_files_that_do_not_run_are_refused(format, tmp_path, monkeypatch):
    inputs = keras.Input((None, 4))
    model = keras.Model(inputs, layers.Dense(2)(inputs))
    module = f"kerasopt.exporters.{format}.trial_inputs"
    monkeypatch.setattr(module, lambda functional: [np.zeros((1, 8, 5), "float32")])
    with pytest.raises(ValueError, match="does not run the file that was written for it"):
        exported(model, format, tmp_path)
    assert not list(tmp_path.iterdir())
