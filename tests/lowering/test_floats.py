"""What stays float in converted models, and why."""

import keras
import numpy as np
import pytest
from keras import layers
from lowering.trained import images, quantization_aware, randomize, run

import kerasopt as ko
from kerasopt.inference.integer.convolutions import QuantizedConv2D
from kerasopt.inference.integer.dense import QuantizedDense
from kerasopt.lowering import convert

FLOATS = {
    "PReLU has no integer form": lambda x: layers.PReLU()(x),
    "Conv3D has no integer form": lambda x: layers.Conv3D(4, 3)(layers.Reshape((4, 4, 4, 4))(x)),
    "only of two tensors it has an integer form": lambda x: layers.Add()(
        [x, layers.Conv2D(4, 1)(x), layers.Conv2D(4, 1)(x)]
    ),
}


@pytest.mark.parametrize("reason", FLOATS)
def test_what_stays_float_is_named_and_computes_the_same(reason):
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(4, 1, name="before")(inputs)
    x = layers.Flatten()(FLOATS[reason](x))
    model = keras.Model(inputs, layers.Dense(3, name="after")(x))
    x = images(16, 8, 4)
    model = quantization_aware(randomize(model), x)
    with pytest.warns(UserWarning, match=reason):
        integers = convert(model)
    assert isinstance(integers.get_layer("before"), QuantizedConv2D)
    assert isinstance(integers.get_layer("after"), QuantizedDense)
    expected = run(model, x)
    assert np.abs(run(integers, x) - expected).max() < 0.03 * np.abs(expected).max()


def test_an_addition_of_far_smaller_scales_stays_float():
    inputs = keras.Input((4,))
    x, y = layers.Dense(4, name="x")(inputs), layers.Dense(4, name="y")(inputs)
    model = keras.Model(inputs, layers.Add(name="sum")([x, y]))
    values = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
    model = quantization_aware(randomize(model), values)
    observer = model.get_layer("sum").parametrizations["output"][0].observer
    observer.maximum.assign(1e6)
    with pytest.warns(UserWarning, match="scales of its inputs are .* times the output's: sum"):
        integers = convert(model)
    np.testing.assert_array_equal(run(integers, values), run(model, values))


@pytest.mark.parametrize(
    "observer, trained", [("moving_average", True), ("percentile", True), ("minmax", False)]
)
@pytest.mark.filterwarnings("ignore:.*(no range|stay in float32):UserWarning")
def test_branches_that_begin_with_zeros_stay_float(observer, trained):
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, activation="relu", name="stem")(inputs)
    y = layers.Conv2D(8, 3, padding="same", kernel_initializer="zeros", name="zero")(x)
    y = layers.Conv2D(8, 1, name="after")(layers.ReLU(name="relu")(y))
    outputs = layers.Dense(4, name="head")(layers.Flatten()(layers.Add(name="add")([x, y])))
    model = keras.Model(inputs, outputs)
    x = images(size=8)
    if trained:
        model.compile(keras.optimizers.SGD(0.0), "mse")
        quantize = ko.callbacks.QuantizationAware(observer=observer)
        model.fit(x, np.zeros((16, 4)), batch_size=4, epochs=2, verbose=0, callbacks=[quantize])
    else:
        with pytest.warns(UserWarning, match="always zero.* Received: \\['relu/output'"):
            model = ko.quantize(model, calibration=x, observer=observer, verbose=0)
    with pytest.warns(UserWarning, match="no data made any of its values but zero.*: zero, after"):
        integers = convert(model)
    assert {"QuantizedConv2D", "QuantizedDense"} <= {
        type(layer).__name__ for layer in integers.layers
    }
    np.testing.assert_allclose(run(integers, x), run(model, x), atol=0.02)


class Scaled(layers.Layer):
    """A layer as keras-hub's normalizations are: without `get_config`, made with a dtype policy."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, x):
        return x * keras.ops.rsqrt(keras.ops.mean(x * x, -1, keepdims=True) + 1e-6) * self.scale


@keras.saving.register_keras_serializable(package="tests")
class Refused(Scaled):
    """A layer with a config that its constructor does not accept."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.unknown = 3

    def get_config(self):
        return {**super().get_config(), "unknown": self.unknown}


class Unrecordable(Scaled):
    """Its code cannot be recorded, so it stays a layer."""

    def call(self, x):
        return super().call(keras.ops.map(keras.ops.copy, x))


@keras.saving.register_keras_serializable(package="tests")
class Divided(Scaled):
    """Has a weight of a shape that its config does not tell."""

    def __init__(self, parts=1, **kwargs):
        super().__init__(**kwargs)
        self.parts = parts

    def build(self, shape):
        super().build((shape[-1] // self.parts,))

    def call(self, x):
        parts = keras.ops.reshape(x, (-1, *x.shape[1:-1], self.parts, x.shape[-1] // self.parts))
        return keras.ops.reshape(super().call(parts), (-1, *x.shape[1:]))

    def get_config(self):
        return super().get_config()


class Doubled(layers.Layer):
    def call(self, x):
        return x * 2.0

    def compute_output_shape(self, shape):
        return shape


class Halves(Doubled):
    """Returns two tensors, and declares one, as the class does that it inherits from."""

    def call(self, x, other):
        return x[..., :4] + other, x[..., 4:] * other


class WithHalves(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.halves, self.dense = Halves(), layers.Dense(4)

    def build(self, shape):
        self.dense.build((*shape[:-1], 4))

    def call(self, x):
        left, right = self.halves(x, x[..., 2:6])
        return self.dense(left) + right

    def compute_output_shape(self, shape):
        return (*shape[:-1], 4)


def quick(x):
    """A function that is not registered."""
    return x * keras.ops.sigmoid(1.7 * x)


def test_float_layers_without_a_config_have_names_of_their_own():
    inputs, policy = keras.Input((6, 8)), keras.DTypePolicy("float32")
    blocks = [
        keras.Sequential([layers.Dense(8), Unrecordable(dtype=policy, name="same")]) for _ in "ab"
    ]
    model = keras.Model(inputs, blocks[1](blocks[0](inputs)))
    values = np.random.default_rng(0).normal(size=(16, 6, 8)).astype("float32")
    model = quantization_aware(model, values)
    with pytest.warns(UserWarning, match="Unrecordable has no integer form"):
        integers = convert(model)
    assert np.abs(run(integers, values) - run(model, values)).max() < 0.1


def in_parts(**kwargs):
    return Divided(2, **kwargs)


def as_it_is(**kwargs):
    return layers.Activation(quick, **kwargs)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Scaled, "Scaled has no integer form"),
        (Refused, "Refused has no integer form"),
        (in_parts, "Divided has no integer form"),
        (as_it_is, "Activation has no integer form"),
        (WithHalves, "Halves has no integer form"),
    ],
)
def test_float_layers_that_no_file_holds_are_operations_so_that_one_does(make, reason, tmp_path):
    inputs = keras.Input((6, 8))
    policy = keras.DTypePolicy("float32")
    x = make(dtype=policy)(layers.Dense(8)(inputs))
    x = make(dtype=policy)(layers.Dense(8)(x))
    model = keras.Model(inputs, layers.Identity(dtype=policy)(x))
    values = np.random.default_rng(0).normal(size=(16, 6, 8)).astype("float32")
    if make is Scaled:
        model.layers[2].scale.assign(np.linspace(0.5, 2, 8))
    model = quantization_aware(model, values)
    with pytest.warns(UserWarning, match=reason):
        integers = convert(model)
    assert np.abs(run(integers, values) - run(model, values)).max() < 0.1
    ko.save(integers, tmp_path / "int8.keras")
    loaded = keras.models.load_model(tmp_path / "int8.keras")
    np.testing.assert_array_equal(run(loaded, values), run(integers, values))


class Edges(layers.Layer):
    """Sums what nodes of a graph are connected to, which indices say."""

    def build(self, shapes):
        self.kernel = self.add_weight(shape=(shapes[0][-1], 8), name="kernel")

    def call(self, inputs):
        nodes, edges = inputs
        read = keras.ops.take(keras.ops.matmul(nodes, self.kernel), edges[:, 1], axis=0)
        return keras.ops.segment_sum(read, edges[:, 0], num_segments=300)


def test_indices_beside_floats_are_not_rounded():
    nodes, edges = (
        keras.Input(batch_shape=(300, 4)),
        keras.Input(batch_shape=(300, 2), dtype="int32"),
    )
    x = keras.ops.relu(Edges(name="first")([nodes, edges]))
    model = keras.Model([nodes, edges], layers.Dense(3)(Edges(name="second")([x, edges])))
    rng = np.random.default_rng(0)
    data = [rng.normal(size=(300, 4)).astype("float32"), rng.integers(0, 300, (300, 2))]
    expected, quantized = run(model, data), quantization_aware(model, data)
    assert np.abs(run(quantized, data) - expected).max() < 0.05 * np.abs(expected).max()
    with pytest.warns(UserWarning, match="Edges has no integer form: first, second"):
        integers = convert(quantized)
    np.testing.assert_allclose(run(integers, data), run(quantized, data), atol=1e-2)
    assert ko.summary(integers, print_fn=len).macs > 0
