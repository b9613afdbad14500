import copy
import pickle

import keras
import numpy as np
import pytest
from graph.models import nested
from keras import layers
from processes import run_with_keras

from kerasopt.graph import Graph, OperationLayer, unwrap_operations, wrap_operation


def wrap_all(model):
    return [wrap_operation(node) for node in Graph.of(model) if not node.is_layer]


def arithmetic():
    """Operations with constants on either side, keywords, and lists of tensors."""
    inputs = keras.Input((4,))
    x = 3.0 - (inputs * 2.0)
    x = keras.ops.concatenate([x, inputs], axis=-1)
    x = keras.ops.where(x > 0.5, x, 0.1 * x)
    return keras.Model(inputs, keras.ops.mean(x, axis=-1, keepdims=True))


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(3, 4)).astype("float32")


def value(model, x):
    return keras.ops.convert_to_numpy(model(x))


@pytest.mark.parametrize("build", [nested, arithmetic])
def test_wrapping_and_unwrapping_keep_the_function(build, x):
    model = build()
    expected = value(model, x)
    assert wrap_all(model) and all(node.is_layer for node in Graph.of(model))
    np.testing.assert_array_equal(value(model, x), expected)
    unwrap_operations(model)
    assert not any(isinstance(node.operation, OperationLayer) for node in Graph.of(model))
    assert not any(isinstance(layer, OperationLayer) for layer in model._flatten_layers())
    np.testing.assert_array_equal(value(model, x), expected)


@pytest.mark.parametrize(
    "copied",
    [
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),
        lambda model: _with_weights(keras.models.clone_model(model), model),
        lambda model: _with_weights(model.__class__.from_config(model.get_config()), model),
    ],
    ids=["deepcopy", "pickle", "clone_model", "from_config"],
)
@pytest.mark.parametrize("build", [nested, arithmetic])
def test_copies_of_a_wrapped_model(build, copied, x):
    model = build()
    wrap_all(model)
    np.testing.assert_array_equal(value(copied(model), x), value(model, x))


def _with_weights(model, source):
    model.set_weights(source.get_weights())
    return model


def test_a_wrapped_model_loads_in_a_new_process(tmp_path, x):
    model = nested()
    wrap_all(model)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    script = (
        "import keras, numpy as np, kerasopt.graph\n"
        f"model = keras.models.load_model({str(tmp_path / 'model.keras')!r})\n"
        f"x = np.load({str(tmp_path / 'x.npy')!r})\n"
        f"np.save({str(tmp_path / 'y.npy')!r}, keras.ops.convert_to_numpy(model(x)))\n"
    )
    run_with_keras(script)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), value(model, x))


def test_a_model_cut_out_before_wrapping_stays_whole(tmp_path, x):
    model = arithmetic()
    cut = keras.Model(model.input, model.operations[2].output)
    expected = value(cut, x)
    wrap_all(model)
    np.testing.assert_array_equal(value(cut, x), expected)
    cut.save(tmp_path / "cut.keras")
    loaded = keras.models.load_model(tmp_path / "cut.keras")
    np.testing.assert_array_equal(value(loaded, x), expected)


def test_the_layer_can_hold_variables_that_train_and_load(tmp_path, x):
    model = nested()
    layer = wrap_all(model)[0]
    layer._tracker.unlock()
    offset = layer.add_weight(name="offset", shape=(), initializer="ones", trainable=False)
    layer._tracker.lock()
    assert any(variable is offset for variable in model.non_trainable_variables)
    order = [v.path for v in model.trainable_variables]
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((3, 2)), verbose=0)
    assert [v.path for v in model.trainable_variables] == order


def test_tracked_at_the_place_a_loaded_model_has_it():
    model = nested()
    wrap_all(model)
    loaded = model.__class__.from_config(model.get_config())
    for ours, theirs in [(model, loaded), (model.get_layer("inner"), loaded.get_layer("inner"))]:
        assert [x.name for x in ours._layers] == [x.name for x in theirs._layers]


def test_masks_are_dropped_silently_as_by_the_operation(recwarn):
    inputs = keras.Input((5,), dtype="int32")
    embedded = layers.Embedding(7, 3, mask_zero=True)(inputs)
    model = keras.Model(inputs, embedded * 2.0)
    wrap_all(model)
    model(np.array([[1, 2, 0, 0, 3]]))
    assert not [w for w in recwarn if "mask" in str(w.message)]


def test_mixed_precision_computes_as_the_operation(x):
    inputs = keras.Input((4,))
    half = layers.Dense(4, dtype="mixed_float16")(inputs)
    model = keras.Model(inputs, keras.ops.cast(half, "float32") * (inputs + 0.1))
    expected = value(model, x)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        wrap_all(model)
    finally:
        keras.config.set_dtype_policy("float32")
    assert value(model, x).dtype == np.float32
    np.testing.assert_array_equal(value(model, x), expected)


def test_wrapping_a_layer_leaves_it_as_it_is():
    model = nested()
    (node,) = [node for node in Graph.of(model) if node.path == "head/top"]
    assert wrap_operation(node) is node.operation
    assert type(node.operation) is layers.Dense


def test_a_layer_is_no_operation_to_wrap():
    with pytest.raises(TypeError, match="`operation` must be"):
        OperationLayer(layers.Dense(2))
