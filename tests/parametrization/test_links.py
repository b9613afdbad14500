import keras
import numpy as np
import pytest
from parametrization.links import Scaled, Shifted

import kerasopt as ko
from kerasopt.parametrization import (
    find_link,
    links_by_slot,
    links_of,
    links_of_model,
    parametrized_layers,
)


@keras.saving.register_keras_serializable("tests_parametrization")
class Attentive(keras.layers.Layer):
    """A layer whose own attribute has a name that parametrized layers use."""

    def __init__(self, slots, **kwargs):
        super().__init__(**kwargs)
        self.slots = slots

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.slots), name="kernel")

    def call(self, inputs):
        return keras.ops.matmul(inputs, self.kernel)

    def get_config(self):
        return {**super().get_config(), "slots": self.slots}


def model():
    found = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(4, name="first"), Attentive(3, name="second")]
    )
    for path, link in [
        ("second/kernel", Scaled()),
        ("first/output", Shifted()),
        ("first/kernel", Shifted()),
        ("first/kernel", Scaled()),
    ]:
        ko.parametrize(found, path, link)
    return found


def test_links_of_a_slot_are_in_running_order():
    first, second = model().layers
    assert [type(link) for link in links_of(first, "kernel")] == [Scaled, Shifted]
    assert [type(link) for link in links_of(first, "kernel", Shifted)] == [Shifted]
    assert find_link(first, "kernel", Shifted) is links_of(first, "kernel")[1]
    assert links_of(second, "output") == [] and find_link(second, "kernel", Shifted) is None
    assert [slot for slot, _ in links_by_slot(first, Shifted)] == ["kernel", "output"]


@pytest.mark.parametrize("operation", [keras.layers.Dense(2), Attentive(8)])
def test_what_is_not_parametrized_has_no_links(operation):
    assert links_of(operation, "kernel") == links_by_slot(operation) == []


def test_links_of_a_model_come_with_their_places():
    found = model()
    assert [f"{path}/{slot}" for path, _, slot, _ in links_of_model(found)] == [
        "first/kernel",
        "first/kernel",
        "first/output",
        "second/kernel",
    ]
    assert all(each.layer is found.get_layer(each.path) for each in links_of_model(found))
    assert [each.slot for each in links_of_model(found, Shifted)] == ["kernel", "output"]


def test_a_layer_with_slots_of_its_own_is_saved_and_released(tmp_path):
    found, x = model(), keras.ops.ones((2, 4))
    expected = found(x)
    found.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), expected)
    assert loaded.get_layer("second").slots == 3 and len(parametrized_layers(loaded)) == 2
    ko.finalize(loaded, verbose=False)
    assert not parametrized_layers(loaded) and type(loaded.layers[1]) is Attentive
