import warnings

import keras
import numpy as np
import processes
import pytest
from graph.models import nested, residual_cnn
from keras import layers
from lowering.parity import assert_parity
from lowering.trained import images, quantization_aware, randomize, run

import kerasopt as ko
from kerasopt.finalization import finalize
from kerasopt.inference.integer.convolutions import QuantizedConv2D
from kerasopt.inference.integer.dense import QuantizedDense
from kerasopt.inference.integer.normalization import QuantizedBatchNormalization
from kerasopt.lowering import convert
from kerasopt.ops import native
from kerasopt.parametrization import parametrize
from kerasopt.quantization import ActivationQuantizer


def converted(model, x):
    """Returns a quantization-aware model and its integer form; nothing may stay float."""
    model = quantization_aware(randomize(model), x)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        return model, convert(model, "int8")


def classes(model):
    return [type(layer).__name__ for layer in model.layers]


def mobile_cnn(size=32):
    """What MobileNetV2 is made of: strided, padded and inverted residual blocks."""
    inputs = keras.Input((size, size, 3))
    x = layers.ZeroPadding2D(1)(inputs)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    y = layers.Conv2D(16, 1, use_bias=False)(x)
    y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y)
    y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
    y = layers.Conv2D(8, 1, use_bias=False)(y)
    x = layers.Add()([x, layers.BatchNormalization()(y)])
    x = layers.ReLU()(x)
    x = layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2, dilation_rate=1)(x)
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    x = layers.Dropout(0.3)(x)
    return keras.Model(inputs, layers.Dense(5)(x), name="mobile_cnn")


def test_every_group_becomes_one_integer_layer():
    _, integers = converted(residual_cnn(), images())
    assert classes(integers) == [
        "InputLayer",
        "Quantize",
        "QuantizedConv2D",
        "QuantizedDepthwiseConv2D",
        "QuantizedConv2D",
        "QuantizedAdd",
        "MaxPooling2D",
        "Flatten",
        "QuantizedDense",
        "Dequantize",
        "Activation",
    ]
    assert integers.get_layer("conv").output.dtype == "int8"
    assert not integers.trainable_weights


@pytest.fixture(scope="module")
def mobile():
    """Images, a quantization-aware model and its integer form."""
    x = images(32, 32)
    return x, *converted(mobile_cnn(), x)


def test_integers_equal_fake_quantization_given_equal_inputs(mobile):
    x, model, integers = mobile
    assert_parity(model, integers, x, layers=8)


def test_outputs_are_close_to_those_of_the_source(mobile):
    x, model, integers = mobile
    expected, found = run(model, x), run(integers, x)
    assert found.dtype == np.float32
    assert np.abs(expected - found).max() < 0.05 * np.abs(expected).max()


def test_every_path_gives_the_same_bits(mobile, monkeypatch):
    x, _, integers = mobile
    expected = run(integers, x)
    compiled = keras.models.clone_model(integers)
    compiled.set_weights(integers.get_weights())
    for native_or_reference in (native.library_for, lambda *tensors: None):
        monkeypatch.setattr(native, "library_for", native_or_reference)
        np.testing.assert_array_equal(run(integers, x), expected)
        for jit_compile in (False, True):
            compiled.compile(jit_compile=jit_compile)
            np.testing.assert_array_equal(compiled.predict(x, verbose=0), expected)


def test_the_source_is_untouched():
    x = images()
    model = quantization_aware(randomize(residual_cnn()), x)
    config, weights, expected = model.get_config(), model.get_weights(), run(model, x)
    nodes = [len(layer._inbound_nodes) for layer in model.layers]
    convert(model)
    assert model.get_config() == config
    assert nodes == [len(layer._inbound_nodes) for layer in model.layers]
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(run(model, x), expected)


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_loads_in_a_new_process(tmp_path, backend, mobile):
    x, _, integers = mobile
    integers.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    script = (
        "import keras, numpy as np, kerasopt\n"
        f"model = keras.models.load_model({str(tmp_path / 'model.keras')!r})\n"
        f"x = np.load({str(tmp_path / 'x.npy')!r})\n"
        f"np.save({str(tmp_path / 'y.npy')!r}, model.predict(x, verbose=0))\n"
    )
    if backend == "jax":
        processes.run("-c", script, KERAS_BACKEND=backend)
    else:
        processes.run_with_keras(script)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), run(integers, x))


def test_copies_compute_the_same(mobile):
    x, _, integers = mobile
    copy = keras.models.clone_model(integers)
    copy.set_weights(integers.get_weights())
    np.testing.assert_array_equal(run(copy, x), run(integers, x))
    restored = keras.Model.from_config(integers.get_config())
    restored.set_weights(integers.get_weights())
    np.testing.assert_array_equal(run(restored, x), run(integers, x))


def test_a_file_is_about_a_quarter(tmp_path):
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(64, 3)(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(256, 3, use_bias=False)(x)))
    model = keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))
    model.save(tmp_path / "float.keras")
    _, integers = converted(model, images(4, 32))
    integers.save(tmp_path / "int8.keras")
    assert (tmp_path / "int8.keras").stat().st_size < 0.4 * (
        tmp_path / "float.keras"
    ).stat().st_size


def test_other_batch_and_image_sizes():
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D()(layers.DepthwiseConv2D(3)(x))
    model, integers = converted(keras.Model(inputs, layers.Dense(3)(x)), images(8, 16))
    for x in (images(1, 16), images(3, 21)):
        found, expected = np.asarray(integers(x)), np.asarray(model(x))
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max()


def test_sequential_models():
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(6, activation="relu"), layers.Dense(3)], name="plain"
    )
    x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    model, integers = converted(model, x)
    assert integers.name == "plain_int8"
    np.testing.assert_allclose(run(model, x), run(integers, x), atol=0.05)


def test_nested_models_are_flattened():
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    model = quantization_aware(randomize(nested()), x)
    integers = convert(model)
    assert not any(isinstance(layer, keras.Model) for layer in integers.layers)
    np.testing.assert_allclose(run(model, x), run(integers, x), atol=0.1)


def test_a_shared_layer_has_one_kernel_for_each_input_scale():
    inputs = keras.Input((4,))
    shared = layers.Dense(4, activation="relu", name="shared")
    x = shared(shared(inputs=layers.Dense(4, name="before")(inputs)))
    x = layers.Dense(2, name="shared_1")(x)  # the name that the second call could take
    values = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    model, integers = converted(keras.Model(inputs, x), values)
    assert sum(isinstance(layer, QuantizedDense) for layer in integers.layers) == 4
    np.testing.assert_allclose(run(model, values), run(integers, values), atol=0.1)


def test_a_layer_that_quantizes_its_input_is_shared_whole():
    inputs = keras.Input((4,))
    shared = layers.Dense(4, activation="relu", name="shared")
    values = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    model, integers = converted(keras.Model(inputs, shared(shared(inputs))), values)
    assert sum(isinstance(layer, QuantizedDense) for layer in integers.layers) == 1
    np.testing.assert_allclose(run(model, values), run(integers, values), atol=0.1)


def test_structures_of_inputs_and_outputs_stay():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    x = layers.Dense(4, activation="relu")(a)
    y = layers.Add()([x, layers.Dense(4)(b)])
    model = keras.Model({"a": a, "b": b}, {"sum": y, "hidden": x, "same": b})
    generator = np.random.default_rng(0)
    x = {name: generator.normal(size=(64, 4)).astype("float32") for name in "ab"}
    model, integers = converted(model, x)
    found, expected = run(integers, x), run(model, x)
    assert found.keys() == expected.keys()
    np.testing.assert_array_equal(found["same"], x["b"])
    np.testing.assert_allclose(found["hidden"], expected["hidden"], atol=0.05)
    np.testing.assert_allclose(found["sum"], expected["sum"], atol=0.1)


def test_operations_that_move_values_run_on_integers():
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(6, 1, activation="relu6")(inputs)
    x = layers.Cropping2D(1)(layers.UpSampling2D(2)(x))
    x = layers.SpatialDropout2D(0.1)(layers.Permute((2, 1, 3))(x))
    x = layers.ZeroPadding2D(((1, 0), (0, 2)))(x)
    x = keras.ops.transpose(keras.ops.flip(x, axis=1), (0, 2, 1, 3))
    x = layers.Activation("linear")(layers.Identity()(x))
    x = layers.Reshape((-1, 6))(layers.MaxPooling2D(3, 2, padding="same")(x))
    model, integers = converted(keras.Model(inputs, x), images(8, 8, 4))
    assert classes(integers)[-1] == "Dequantize"
    x = images(8, 8, 4)
    np.testing.assert_allclose(run(model, x), run(integers, x), atol=0.05)


def test_zero_padding_is_a_part_of_the_convolution_after_it():
    inputs = keras.Input((8, 8, 4))
    padded = layers.ZeroPadding2D(((0, 1), (0, 1)))(layers.Conv2D(4, 1)(inputs))
    model = keras.Model(inputs, layers.DepthwiseConv2D(3, strides=2, name="window")(padded))
    _, integers = converted(model, images(8, 8, 4))
    assert integers.get_layer("window").padding == ((0, 1), (0, 1))
    assert "Pad" not in classes(integers)


def test_zeros_of_pruned_kernels_stay_zero():
    model = residual_cnn()
    x = images()
    mask = ko.sparsity.Mask()
    conv = model.get_layer("conv")
    ko.parametrize(conv, "kernel", mask)
    pattern = np.random.default_rng(0).random(conv.kernel.shape) < 0.25
    mask.mask.assign(pattern)
    _, integers = converted(model, x)
    assert not integers.get_layer("conv").kernel.numpy()[~pattern].any()
    assert integers.get_layer("conv").kernel.numpy()[pattern].any()


def test_a_quantizer_inside_a_group_cuts_it():
    inputs = keras.Input((8, 8, 4))
    convolution = layers.Conv2D(4, 3, name="conv")
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(convolution(inputs)))
    x = layers.Dense(3, name="after")(layers.Flatten()(x))
    x, model = images(16, 8, 4), randomize(keras.Model(inputs, x))
    parametrize(convolution, "output", ActivationQuantizer())
    model = quantization_aware(model, x)
    integers = convert(model)
    assert isinstance(integers.get_layer("conv"), QuantizedConv2D)
    assert isinstance(integers.get_layer("norm"), QuantizedBatchNormalization)
    np.testing.assert_allclose(run(model, x), run(integers, x), atol=0.05)


def test_a_softmax_at_the_end_is_no_news():
    inputs = keras.Input((8,))
    model = keras.Model(inputs, layers.Softmax()(layers.Dense(3)(inputs)))
    x = np.random.default_rng(0).normal(size=(32, 8)).astype("float32")
    model, integers = converted(model, x)
    np.testing.assert_allclose(run(integers, x).sum(-1), 1.0, atol=1e-6)


def test_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = residual_cnn()
        model, integers = converted(model, images())
        found = run(integers, images())
    finally:
        keras.config.set_dtype_policy("float32")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, run(model, images()), atol=0.05)
    assert integers.get_layer("conv").multiplier.dtype == "float32"


def test_a_model_without_quantizers_raises():
    with pytest.raises(ValueError, match="no quantizers.*QuantizationAware"):
        convert(residual_cnn())


def test_a_finalized_model_raises():
    model = quantization_aware(residual_cnn(), images())
    with pytest.raises(ValueError, match="convert it before `kerasopt.finalize`"):
        convert(finalize(model, verbose=False))


@pytest.mark.parametrize("x", [None, np.zeros((4, 16, 16, 3), "float32")], ids=["none", "zeros"])
def test_a_model_without_ranges_raises(x):
    model = quantization_aware(residual_cnn(), images(1))
    for variable in model.weights:
        if variable.name in ("minimum", "maximum"):
            variable.assign(0.0)
    if x is not None:
        model.get_layer("conv")(x, training=True)
    with pytest.raises(ValueError, match="have no range.*'conv'"):
        convert(model)


def test_unknown_targets_raise():
    with pytest.raises(ValueError, match="Received: target='int3'"):
        convert(residual_cnn(), "int3")


def test_weights_that_are_not_finite_raise():
    model = quantization_aware(residual_cnn(), images())
    kernel = model.get_layer("project").kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(ValueError, match="layer 'project' has values that are not finite"):
        convert(model)


def test_a_trained_model_predicts_the_same_classes():
    generator = np.random.default_rng(0)
    y = generator.integers(0, 4, 512)
    x = generator.normal(size=(512, 16, 16, 3)) + generator.normal(size=(4, 16, 16, 3))[y]
    x = x.astype("float32")
    model = residual_cnn()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    callback = ko.callbacks.QuantizationAware("int8", begin="50%")
    history = model.fit(x, y, epochs=4, verbose=0, callbacks=[callback])
    assert history.history["accuracy"][-1] > 0.9
    integers = ko.convert(model, "int8")
    probabilities = run(model, x)
    second, first = np.sort(probabilities, axis=-1)[:, -2:].T
    decided = first - second > 0.05  # others are within some steps of the integers
    agreement = run(integers, x).argmax(-1) == probabilities.argmax(-1)
    assert agreement[decided].all() and decided.mean() > 0.95 and agreement.mean() > 0.99
    assert_parity(model, integers, x[:64], layers=6)
