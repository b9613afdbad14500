import keras
import numpy as np
import pytest
from graph.models import Subclassed, residual_cnn
from keras import layers
from lowering.trained import images, quantization_aware, randomize

import kerasopt as ko


@pytest.fixture(scope="module")
def models():
    """Images, a float model, its quantization-aware copy and the integer form of that."""
    keras.utils.set_random_seed(0)
    x = images(32)
    model = randomize(residual_cnn())
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    quantized = quantization_aware(copy, x)
    return x, model, quantized, ko.convert(quantized)


def test_a_model_equals_itself(models):
    x, model, _, integers = models
    for each in (model, integers):
        report = ko.compare(each, each, x)
        assert report.equal == 1.0 and report.first_parting is None
        assert all(row.sqnr == np.inf and row.cosine == pytest.approx(1) for row in report.tensors)
    assert "No tensor differs" in str(report)


def test_what_is_folded_into_a_layer_is_compared_at_its_end(models):
    x, model, quantized, integers = models
    names = [row.name for row in ko.compare(quantized, integers, x).tensors]
    assert names[:4] == ["image", "conv", "depthwise", "project"]
    report = ko.compare(model, quantized, x)
    assert report["conv"].largest < 0.05 * report["conv"].magnitude
    assert 20 < report["conv"].sqnr < 70 and report["conv"].steps is None


def test_the_first_tensor_that_differs_is_found(models):
    x, _, _, integers = models
    broken = keras.models.clone_model(integers)
    broken.set_weights(integers.get_weights())
    layer = broken.get_layer("depthwise")
    layer.set_arrays(layer.kernel, layer.bias.numpy() + 10000, layer.kernel_scale)
    report = ko.compare(integers, broken, x)
    assert report.first_parting.name == "depthwise" and report["conv"].equal == 1.0
    assert "'depthwise' is the first that differs" in str(report)
    # What follows computes the same, given the same inputs.
    isolated = ko.compare(integers, broken, x, isolated=True)
    assert [row.name for row in isolated.tensors if row.parts] == ["depthwise"]


def test_differences_do_not_add_up_in_isolation(models):
    x, _, quantized, integers = models
    report = ko.compare(integers, quantized, x, isolated=True)
    assert all(row.steps <= 1 and row.equal > 0.998 for row in report.tensors if row.steps)
    assert report.equal > ko.compare(integers, quantized, x).equal


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize("spec", ["int8", "int8_dynamic", "int4"])
def test_every_kind_of_call_is_compared_with_what_it_became(isolated, spec):
    inputs = keras.Input((6, 6, 3))
    shared, relu = layers.Conv2D(4, 3, padding="same", name="shared"), layers.ReLU(name="relu")
    a = shared(layers.Conv2D(3, 1, name="late")(layers.Conv2D(3, 1)(inputs)))
    b = shared(layers.Conv2D(3, 1, name="early")(inputs))
    c = layers.ReLU(name="sum_relu")(layers.Add(name="sum")([relu(a), relu(b + a), a]))
    x, y = keras.ops.split(keras.ops.maximum(c, 0.1) * relu(a) - b, 2, axis=-1)
    volume = layers.Conv3D(2, 1, name="volume")(keras.ops.expand_dims(x * y, 1))
    ends = [layers.Dense(3, act)(layers.ReLU()(volume)) for act in ("relu", "gelu")]
    model = randomize(keras.Model(inputs, ends))
    x = images(8, 6)
    quantized = ko.quantize(model, spec, x, verbose=0)
    converted = ko.convert(quantized, spec)
    for pair in ((quantized, converted), (converted, quantized)):
        report = ko.compare(*pair, x, isolated=isolated)
        assert min(row.cosine for row in report.tensors) > (0.999 if isolated else 0.99), report
    assert min(row.cosine for row in ko.compare(model, converted, x).tensors) > 0.9


def test_isolated_operators_read_what_layers_do():
    x = [np.random.default_rng(seed).normal(size=(16, 64)).astype("float32") for seed in (0, 1)]
    a, b = keras.Input((64,), name="a"), keras.Input((64,), name="b")
    model = keras.Model([a, b], layers.Dense(4)(a + b))
    quantized = ko.quantize(model, "int8", x, verbose=0)
    report = ko.compare(quantized, ko.convert(quantized), x, isolated=True)
    (row,) = (row for row in report.tensors if row.name.startswith("add"))
    assert row.equal > 0.999


def test_before_and_after_a_relu_are_different_tensors():
    inputs = keras.Input((8,))
    x = layers.ReLU(name="relu")(layers.Dense(8, name="dense")(inputs))
    first = keras.Model(inputs, layers.Dense(2, name="top")(x))
    # The same layers, but something else reads what comes before the ReLU.
    before = first.get_layer("dense").output
    second = keras.Model(inputs, [first.output, layers.Dense(2, name="other")(before)])
    x = np.random.default_rng(0).normal(size=(16, 8)).astype("float32")
    for pair in ((first, second), (second, first)):
        report = ko.compare(*pair, x)
        assert report.first_parting is None and {"top"} <= {row.name for row in report.tensors}
    assert "dense" in {row.name for row in ko.compare(first, second, x).tensors}


def test_nested_models_are_compared_call_by_call():
    inner = keras.Sequential([keras.Input((8,)), layers.Dense(8, "relu", name="inner")], name="in")
    model = keras.Sequential([keras.Input((8,)), inner, layers.Dense(2, name="top")])
    x = np.random.default_rng(0).normal(size=(16, 8)).astype("float32")
    report = ko.compare(model, ko.quantize(model, "int8", x, verbose=0), x)
    assert {"in_inner", "top"} <= {row.name for row in report.tensors}


def test_files_are_compared_as_what_they_hold(models, tmp_path):
    x, _, _, integers = models
    ko.save(integers, tmp_path / "int8.keras")
    ko.export(integers, tmp_path / "int8.tflite")
    assert ko.compare(integers, tmp_path / "int8.keras", x).equal == 1.0
    report = ko.compare(tmp_path / "int8.keras", str(tmp_path / "int8.tflite"), x)
    assert report.equal > 0.9999 and report.second == "int8.tflite"
    assert {"conv", "depthwise", "project"} <= {row.name for row in report.tensors}
    assert ko.compare(tmp_path / "int8.tflite", tmp_path / "int8.tflite", x).equal == 1.0


def test_files_with_integer_inputs(tmp_path):
    inputs = keras.Input((8,))
    model = keras.Model(inputs, layers.Dense(3, name="top")(layers.Dense(6, "relu")(inputs)))
    x = np.random.default_rng(0).normal(size=(32, 8)).astype("float32")
    integers = ko.convert(quantization_aware(randomize(model), x))
    ko.export(integers, tmp_path / "int8.tflite", io_dtype="int8")
    assert ko.compare(integers, tmp_path / "int8.tflite", x).equal == 1.0


def test_a_subclassed_model_shows_its_tensors():
    model = Subclassed()
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    model(x)
    rows = ko.compare(model, model, x).tensors
    names = ["blocks_0", "blocks_1", "heads_left", "backbone_last"]
    assert [row.name for row in rows][-4:] == names
    assert all(row.equal == 1.0 for row in rows) and rows[-1].size == 12


def test_a_model_that_cannot_be_recorded_shows_its_outputs():
    class Looking(keras.Model):
        def call(self, x):
            return keras.ops.convert_to_tensor(np.asarray(x) * 2)

    model, x = Looking(), np.ones((4, 3), "float32")
    model(x)
    (row,) = ko.compare(model, model, x).tensors
    assert row.equal == 1.0 and row.size == 12


def test_nothing_else_is_equal_to_nan():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, layers.Dense(2, name="dense")(inputs))
    x = np.ones((1, 2), "float32")
    broken = keras.models.clone_model(model)
    broken.get_layer("dense").bias.assign([np.nan, 0.0])
    assert ko.compare(broken, broken, x).equal == 1.0
    assert ko.compare(model, broken, x).first_parting.name == "dense"


def test_the_plot_is_an_image(models, tmp_path):
    x, _, quantized, integers = models
    ko.compare(integers, quantized, x).plot(tmp_path / "parity.png")
    assert (tmp_path / "parity.png").read_bytes().startswith(b"\x89PNG")


def test_bad_sources_are_named(models, tmp_path):
    x, model, _, _ = models
    with pytest.raises(TypeError, match="`keras.Model` or the path"):
        ko.compare(model, 3, x)
    with pytest.raises(ValueError, match="end in `.keras`, `.tflite` or `.onnx`"):
        ko.compare(model, "model.h5", x)
    with pytest.raises(FileNotFoundError, match="no such file"):
        ko.compare(model, tmp_path / "missing.tflite", x)
    (tmp_path / "damaged.tflite").write_bytes(b"TFL3 nothing else")
    with pytest.raises(ValueError, match="damaged.tflite"):
        ko.compare(model, tmp_path / "damaged.tflite", x)
    ko.save(model, tmp_path / "model.keras")
    ko.export(model, tmp_path / "model.tflite")
    with pytest.raises(ValueError, match="functional or Sequential"):
        ko.compare(tmp_path / "model.tflite", model, x, isolated=True)
    with pytest.raises(ValueError, match="no tensor of the same name"):
        other = keras.Sequential([keras.Input((16, 16, 3)), layers.Flatten(name="all")])
        ko.compare(model, other, x)


def twin():
    """Returns a nested encoder that is called on two images, as integers, and other images."""
    image = keras.Input((8, 8, 1))
    x = layers.MaxPooling2D()(layers.Conv2D(4, 3, activation="relu", name="conv")(image))
    encoder = keras.Model(image, layers.Dense(8)(layers.Flatten()(x)), name="enc")
    a, b = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    # The first call in the graph is not that of the first input, and a name looks like a number.
    late, early = encoder(layers.Conv2D(1, 3, padding="same", name="enc_conv_1")(a)), encoder(b)
    outputs = layers.Dense(1)(keras.ops.abs(late - early))
    x = list(np.random.default_rng(0).normal(size=(2, 6, 8, 8, 1)).astype("float32"))
    model = keras.Model([a, b], outputs)
    return ko.convert(ko.quantize(model, "int8", x, verbose=0)), x


@pytest.mark.filterwarnings("ignore:Parts of")
@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
def test_a_nested_model_that_is_called_twice_is_compared_with_its_file(suffix, tmp_path):
    integers, x = twin()
    path = tmp_path / f"model{suffix}"
    ko.export(integers, path, format="onnx" if suffix == ".onnx" else "litert")
    for isolated in (False, True):
        report = ko.compare(integers, path, x, isolated)
        assert report.first_parting is None and report.equal > 0.99, str(report)
        assert {"enc_conv", "enc_conv_2"} <= {row.name for row in report.tensors}
    computed = integers.predict(x, verbose=0)
    assert not np.allclose(computed, integers.predict(x[::-1], verbose=0), atol=1e-3)
