import keras
import numpy as np
import pytest
from techniques import models
from techniques.training import Kill, Killed, loss

import kerasopt as ko


def make():
    model = models.sequential()
    model.compile("adam", loss(), run_eagerly=keras.config.backend() == "tensorflow")
    return model


@pytest.mark.parametrize(
    "arguments", [{"rewind": "init"}, {"criterion": "saliency"}, {"criterion": "wanda"}], ids=str
)
def test_nothing_of_an_interrupted_training_is_left(arguments):
    plain, model = make(), make()
    plain.fit(models.Batches(plain), verbose=0)
    pruning = ko.callbacks.Pruning(ko.schedules.OneShot(0.5, begin=2), **arguments)
    with pytest.raises(Killed):
        model.fit(models.Batches(model), epochs=2, verbose=0, callbacks=[pruning, Kill()])
    ko.finalize(model, verbose=False)
    assert [v.shape for v in model.variables] == [v.shape for v in plain.variables]
    assert [v.shape for v in model.optimizer.variables] == [
        v.shape for v in plain.optimizer.variables
    ]
    assert type(model.optimizer) is type(plain.optimizer)
    model.fit(models.Batches(model), verbose=0)
    assert np.isfinite(model.evaluate(models.Batches(model), verbose=0))
