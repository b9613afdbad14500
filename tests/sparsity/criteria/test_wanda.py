import keras
import numpy as np
import pytest
from sparsity.masked_weights import masked_weights

from kerasopt.parametrization import Attachments, parametrized_layers
from kerasopt.sparsity import criteria
from kerasopt.sparsity.criteria.input_norms import InputNorm, input_features

GENERATOR = np.random.default_rng(0)


def gather(model):
    attachments = Attachments(model)
    weights = masked_weights(model, attachments)
    criteria.get("wanda").gather(weights, model, attachments)
    attachments.finish()
    return weights, attachments


def of_layer(layer, shape):
    """Returns a model of `layer` without bias, and inputs for it."""
    model = keras.Sequential([keras.Input(shape), layer])
    return model, GENERATOR.normal(size=(3, *shape)).astype("float32")


def dense():
    return of_layer(keras.layers.Dense(3, use_bias=False), (5, 4))


def einsum(equation, output_shape, shape):
    layer = keras.layers.EinsumDense(equation, output_shape)
    return of_layer(layer, shape)


def convolution(cls, channels, rank, *arguments, **options):
    layer = cls(*arguments, use_bias=False, **options)
    return of_layer(layer, (*range(2, 2 + rank), channels))


LAYERS = {
    "dense": dense,
    "einsum": lambda: einsum("ab,bc->ac", (3,), (4,)),
    "einsum_elided": lambda: einsum("...ab,bc->...ac", (2, 3), (2, 4)),
    "einsum_elided_last": lambda: einsum("abc...,bd->adc...", (3, 2, 2), (4, 2, 2)),
    "einsum_two_axes": lambda: einsum("abcd,cde->abe", (2, 5), (2, 3, 4)),
    "einsum_other_order": lambda: einsum("abcd,dec->abe", (2, 5), (2, 3, 4)),
    "einsum_carried": lambda: einsum("abc,bcd->abd", (3, 4), (3, 2)),
    "conv1d": lambda: convolution(keras.layers.Conv1D, 3, 1, 4, 1),
    "conv2d": lambda: convolution(keras.layers.Conv2D, 3, 2, 4, 1),
    "conv3d": lambda: convolution(keras.layers.Conv3D, 2, 3, 3, 1),
    "conv2d_groups": lambda: convolution(keras.layers.Conv2D, 6, 2, 4, 1, groups=2),
    "transposed1d": lambda: convolution(keras.layers.Conv1DTranspose, 3, 1, 4, 1),
    "transposed2d": lambda: convolution(keras.layers.Conv2DTranspose, 3, 2, 4, 1),
    "transposed3d": lambda: convolution(keras.layers.Conv3DTranspose, 2, 3, 3, 1),
    "depthwise1d": lambda: convolution(keras.layers.DepthwiseConv1D, 3, 1, 1, depth_multiplier=2),
    "depthwise2d": lambda: convolution(keras.layers.DepthwiseConv2D, 3, 2, 1, depth_multiplier=2),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_score_is_the_norm_of_what_an_element_adds_to_the_output(name):
    model, x = LAYERS[name]()
    (weight,), _ = gather(model)
    model(x, training=True)
    scores = criteria.get("wanda").scores(weight)
    value, added = weight.value, np.zeros_like(weight.value)
    for element in np.ndindex(value.shape):
        alone = np.zeros_like(value)
        alone[element] = value[element]
        weight.stored.assign(alone)
        added[element] = np.linalg.norm(keras.ops.convert_to_numpy(model(x)))
    weight.stored.assign(value)
    summed = x.size / weight.statistic.size  # samples and positions
    np.testing.assert_allclose(scores, added / np.sqrt(summed), rtol=1e-4)


def test_only_training_counts_and_updates_reset():
    model, x = dense()
    (weight,), _ = gather(model)
    for _ in range(2):
        model(x, training=True)
    model(x)
    np.testing.assert_allclose(weight.statistic, 2 * (x**2).mean((0, 1)), rtol=1e-5)
    criteria.get("wanda").reset([weight])
    assert not weight.statistic.any()


def test_a_shared_layer_sees_all_its_inputs():
    layer = keras.layers.Dense(3)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layer(2 * inputs) + layer(inputs))
    (weight,), _ = gather(model)
    x = GENERATOR.normal(size=(3, 4)).astype("float32")
    model(x, training=True)
    np.testing.assert_allclose(weight.statistic, 5 * (x**2).mean(0), rtol=1e-5)


def test_attention():
    inputs = keras.Input((5, 6))
    attention = keras.layers.MultiHeadAttention(2, 3, name="attention")
    model = keras.Model(inputs, attention(inputs, inputs))
    weights, attachments = gather(model)
    x = GENERATOR.normal(size=(3, 5, 6)).astype("float32")
    model(x, training=True)
    *projections, output = weights
    for weight in projections:
        np.testing.assert_allclose(weight.statistic, (x**2).mean((0, 1)), rtol=1e-5)
    assert output.statistic.shape == (2, 3) and (output.statistic > 0).all()
    assert {criteria.get("wanda").scores(weight).shape for weight in weights} == {
        (6, 2, 3),
        (2, 3, 6),
    }
    attachments.undo()
    assert not parametrized_layers(model)


def test_channels_first():
    layer = keras.layers.Conv2D(4, 3, data_format="channels_first")
    layer.build((None, 3, 8, 8))
    features = input_features(layer, "kernel")
    link = InputNorm(features.axes, features.shape)
    link.build(None)
    x = GENERATOR.normal(size=(2, 3, 8, 8)).astype("float32")
    np.testing.assert_array_equal(link(x, training=True), x)
    np.testing.assert_allclose(link.squares.numpy(), (x**2).mean((0, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("arguments", [{"jit_compile": True}, {"steps_per_execution": 2}], ids=str)
def test_in_fit(policy, arguments, tmp_path):
    keras.config.set_dtype_policy(policy)
    try:
        model = keras.Sequential(
            [
                keras.Input((8, 8, 2)),
                keras.layers.SeparableConv2D(3, 3, name="separable"),
                keras.layers.Flatten(),
                keras.layers.Dense(3, name="top"),
            ]
        )
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile("sgd", "mse", **arguments)
    attachments = Attachments(model)
    weights = [w for w in masked_weights(model, attachments) if w.name != "pointwise_kernel"]
    criteria.get("wanda").gather(weights, model, attachments)
    attachments.finish()
    # Squares beyond the range of float16.
    x = 300 * GENERATOR.normal(size=(8, 8, 8, 2)).astype("float32")
    data = x, np.zeros((8, 3))
    model.fit(*data, batch_size=2, epochs=2, verbose=0, validation_data=data)
    np.testing.assert_allclose(weights[0].statistic, 8 * (x**2).mean((0, 1, 2)), rtol=1e-2)
    assert weights[0].gathered.dtype == "float32"
    assert criteria.get("wanda").scores(weights[0]).shape == (3, 3, 2, 1)
    model.save(tmp_path / "during.keras")
    attachments.end()
    model.save(tmp_path / "after.keras")
    assert "input" in _slots_of_file(tmp_path / "during.keras")
    assert "input" not in _slots_of_file(tmp_path / "after.keras")


def _slots(model):
    return {slot for layer in parametrized_layers(model) for slot in layer.slots}


def _slots_of_file(path):
    return _slots(keras.saving.load_model(path, compile=False))


class Own(keras.layers.Layer):
    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], 2))

    def call(self, inputs):
        return inputs @ self.kernel


def hidden_inputs():
    """Yields, for each kind of layer whose inputs do not show, a model and the paths."""
    tokens = keras.Input((5,), dtype="int32")
    embedding = keras.layers.Embedding(4, 3, name="embedding")
    yield keras.Model(tokens, embedding(tokens)), "embedding/embeddings"
    sequence = keras.Input((5, 3))
    lstm = keras.layers.LSTM(2, name="lstm")
    yield keras.Model(sequence, lstm(sequence)), "lstm/cell/kernel', 'lstm/cell/recurrent_kernel"
    distributed = keras.layers.TimeDistributed(keras.layers.Dense(2), name="distributed")
    yield keras.Model(sequence, distributed(sequence)), "distributed/layer/kernel"
    separable = keras.layers.SeparableConv1D(2, 3, name="separable")
    yield keras.Model(sequence, separable(sequence)), "separable/pointwise_kernel"
    yield keras.Model(sequence, Own(name="own")(sequence)), "own/kernel"


@pytest.mark.parametrize("model, paths", list(hidden_inputs()), ids=lambda value: str(value)[:9])
def test_inputs_that_do_not_show(model, paths):
    with pytest.raises(ValueError, match=rf"rule `\(name, None\)`, .* Received: \['{paths}'\]"):
        gather(model)
    assert "input" not in _slots(model)


def test_weights_whose_input_is_always_zero_score_zero():
    model, x = dense()
    (weight,), _ = gather(model)
    x[..., 2] = 0.0
    model(x, training=True)
    scores = criteria.get("wanda").scores(weight)
    assert not scores[2].any() and scores[[0, 1, 3]].all()
