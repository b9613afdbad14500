import keras
import numpy as np
import pytest

from kerasopt.quantization import MinMax, MovingAverage, observers


def test_the_extremes_of_all_batches():
    observer = MinMax()
    observer.build()
    for batch in ([1.0, 2.0], [-3.0, 1.0], [0.0, 1.5]):
        low, high = observer.update(np.array(batch, "float32"))
    assert (float(low), float(high)) == (-3.0, 2.0)


@pytest.mark.parametrize("alias", observers.ALIASES)
def test_aliases_and_configs_are_resolved(alias):
    observer = observers.get(alias)
    copy = observers.get(keras.saving.serialize_keras_object(observer))
    assert type(copy) is observers.ALIASES[alias] and copy.get_config() == observer.get_config()


@pytest.mark.parametrize("momentum", [-0.1, 1.0])
def test_a_momentum_out_of_range_raises(momentum):
    with pytest.raises(ValueError, match=r"in \[0, 1\). Received: momentum="):
        MovingAverage(momentum)
