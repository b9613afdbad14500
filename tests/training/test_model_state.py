import keras
import numpy as np
import pytest

from kerasopt.training.model_state import ModelState

INITIAL = np.array([1.5, -2.0], "float32")


def build(kind="functional"):
    layers = [keras.layers.Dense(3), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    if kind == "subclassed":
        model = Subclassed()
        model(np.zeros((1, 4), "float32"))
    elif kind == "sequential":
        model = keras.Sequential([keras.Input((4,)), *layers])
    else:
        inputs = outputs = keras.Input((4,))
        for layer in layers:
            outputs = layer(outputs)
        model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    return model


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, x):
        return self.dense(x)


def fit(model, *callbacks):
    x = np.ones((8, 4), "float32")
    model.fit(x, x[:, :1], batch_size=2, epochs=2, verbose=0, callbacks=callbacks)


def looks(model):
    lines = []
    model.summary(print_fn=lambda line, **_: lines.append(line))
    return [
        lines[1:],  # the first line has the name
        len(model.layers),
        [weight.path for weight in model.weights],
        model.count_params(),
        len(model.get_weights()),
    ]


@pytest.mark.parametrize("kind", ["functional", "sequential", "subclassed"])
def test_belongs_to_the_variables_and_is_seen_nowhere_else(kind):
    model = build(kind)
    looked, variables = looks(model), model.variables
    state = ModelState.of(model, "it", INITIAL)
    assert looks(model) == looked
    assert len(model.variables) == len(variables) + 1
    assert any(variable is state.state for variable in model.variables)

    ModelState.remove(model, "it")
    assert ModelState.find(model, "it") is None
    assert [id(v) for v in model.variables] == [id(v) for v in variables]
    assert vars(model).keys() == vars(build(kind)).keys()
    ModelState.remove(model, "it")


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool", "bfloat16", "uint8"])
def test_any_shape_and_dtype_goes_through_files_exactly(dtype, tmp_path):
    model, other = build(), build()
    initial = np.zeros((2, 3), dtype)
    state, loaded = (ModelState.of(m, "it", initial) for m in (model, other))
    assert state.numpy().dtype == initial.dtype
    value = np.array([[1, 0, 1], [0, 1, 1]]).astype(initial.dtype)
    state.assign(value)
    model.save_weights(tmp_path / "it.weights.h5")
    other.load_weights(tmp_path / "it.weights.h5")
    np.testing.assert_array_equal(loaded.numpy(), value)
    assert loaded.numpy().dtype == initial.dtype


def test_a_trainer_carries_it():
    class Add(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            state = ModelState.find(self.model, "it")
            state.assign(state.numpy() + 1)

    model = build()
    fit(model)
    ModelState.of(model, "it", INITIAL)
    ModelState.of(model, "other", np.array(7, "int32"))
    fit(model, Add())
    np.testing.assert_array_equal(ModelState.find(model, "it").numpy(), INITIAL + 2)
    assert ModelState.find(model, "other").numpy() == 7
    ModelState.remove(model, "it")
    fit(model)
    assert ModelState.find(model, "other").numpy() == 7


def test_it_is_found_again_unless_it_is_another():
    model = build()
    state = ModelState.of(model, "it", INITIAL)
    assert ModelState.of(model, "it", INITIAL + 1) is state
    np.testing.assert_array_equal(state.numpy(), INITIAL)
    for other in (np.zeros(3, "float32"), np.zeros(2, "int32")):
        assert ModelState.of(model, "it", other) is not state
        assert sum(v.name == "kerasopt_it" for v in model.variables) == 1
        assert ModelState.find(model, "it").numpy().dtype == other.dtype


def test_a_file_without_it_sets_it_back(tmp_path):
    path = tmp_path / "it.weights.h5"
    model = build()
    model.save_weights(path)
    state = ModelState.of(model, "it", INITIAL)
    state.assign([3.0, 4.0])
    model.load_weights(path)
    np.testing.assert_array_equal(state.numpy(), INITIAL)

    other = build()
    ModelState.of(other, "it", np.ones(5, "float32"))
    other.save_weights(path)
    state.assign([3.0, 4.0])
    model.load_weights(path)
    np.testing.assert_array_equal(state.numpy(), INITIAL)
    build().load_weights(path)


def test_a_saved_model_loads_without_it(tmp_path):
    model = build()
    ModelState.of(model, "it", INITIAL)
    model.save(tmp_path / "it.keras")
    loaded = keras.models.load_model(tmp_path / "it.keras")
    assert ModelState.find(loaded, "it") is None
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
