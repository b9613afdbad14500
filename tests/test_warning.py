import keras
import numpy as np
import pytest

import kerasopt as ko


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile("adam", "mse")
    return model


def test_warnings_show_the_line_that_called(model):
    x = np.ones((8, 4), "float32")
    untrained = keras.models.clone_model(model)
    late = ko.callbacks.QuantizationAware(begin=100)
    with pytest.warns(UserWarning, match="cannot finish in this training") as seen:
        model.fit(x, x[:, :3], verbose=0, callbacks=[late])
    with pytest.warns(UserWarning, match="has no effect") as others:
        ko.quantize(untrained, "int8", x, rules=[("missing", None)], verbose=0)
    ours = [each for each in (*seen, *others) if each.category is UserWarning]
    assert [each.filename for each in ours] == 2 * [__file__]
