"""`.keras` files of integer models that are damaged, of another version, or not to be trusted."""

import io
import json
import random
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from lowering.trained import images, quantization_aware, randomize

import kerasopt as ko

WEIGHTS, CONFIG = "model.weights.h5", "config.json"


@pytest.fixture(scope="module")
def model():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="conv")(inputs)
    x = layers.Conv2D(4, 1, name="project")(layers.Activation("silu", name="silu")(x))
    x = layers.Flatten()(layers.LayerNormalization(name="norm")(x))
    model = randomize(keras.Model(inputs, layers.Dense(3, name="dense")(x)))
    return ko.convert(quantization_aware(model, images(4, 8)))


@pytest.fixture
def path(model, tmp_path):
    ko.save(model, tmp_path / "model.keras")
    return tmp_path / "model.keras"


def rewrite(path, member, edit):
    """Replaces what is in a member of the archive by what `edit` makes of it."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members[member] = edit(members[member])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def edit_array(path, name, edit):
    """Replaces an array by what `edit` makes of it; None removes it."""

    def edit_weights(content):
        buffer = io.BytesIO(content)
        with h5py.File(buffer, "r+") as file:
            array = file[f"layers/{name}"][...]
            del file[f"layers/{name}"]
            edited = edit(array)
            if edited is not None:
                file[f"layers/{name}"] = edited
        return buffer.getvalue()

    rewrite(path, WEIGHTS, edit_weights)


def edit_config(path, class_name, edit):
    """Edits the serialized layers of a class."""

    def edit_layers(content):
        config = json.loads(content)
        for layer in config["config"]["layers"]:
            if layer["class_name"] == class_name:
                edit(layer)
        return json.dumps(config)

    rewrite(path, CONFIG, edit_layers)


ARRAYS = {
    "quantized_conv2d/vars/kernel": "'kernel' of layer 'conv' must be int8 of shape",
    "quantized_conv2d/vars/bias": "'bias' of layer 'conv' must be int32 of shape",
    "quantized_dense/vars/kernel_scale": "'kernel_scale' of layer 'dense' must be float32 of shape",
    "quantized_layer_normalization/vars/gamma": "'gamma' of layer 'norm' must be float32 of shape",
    "quantized_activation/vars/0": "'table' of layer 'silu' must be int8 of shape",
}
EDITS = {
    "missing": lambda array: None,
    "longer": lambda array: np.concatenate([array, array], axis=-1),
    "transposed": lambda array: array[None],
    "another dtype": lambda array: array.astype("int64"),
}


# Keras says which of the nested containers of a file it passes over.
@pytest.mark.filterwarnings("ignore:Skipping nested container")
@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_that_do_not_belong_to_the_layer_are_named(path, name, edit):
    edit_array(path, name, EDITS[edit])
    with pytest.raises(ValueError, match=f"file is damaged, or another.*{ARRAYS[name]}"):
        keras.models.load_model(path)


def test_scales_that_no_layer_can_have_are_named(path):
    edit_array(path, "quantized_conv2d/vars/kernel_scale", np.zeros_like)
    with pytest.raises(ValueError, match="`kernel_scale` of layer 'conv' must be positive"):
        keras.models.load_model(path)
    edit_array(path, "quantized_conv2d/vars/kernel_scale", np.ones_like)
    edit_array(path, "quantized_layer_normalization/vars/beta", lambda beta: beta * np.nan)
    with pytest.raises(ValueError, match="`beta` of layer 'norm' must be finite"):
        keras.models.load_model(path)


@pytest.mark.parametrize("member", [WEIGHTS, CONFIG])
@pytest.mark.parametrize("write", [ko.save, lambda model, path: model.save(path)])
def test_flipped_bytes_are_found(model, tmp_path, write, member):
    path = tmp_path / "model.keras"
    write(model, path)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
    begin = info.header_offset + 30 + len(info.filename)
    refused = 0
    for offset in random.Random(0).sample(range(info.compress_size), 10):
        flipped = bytearray(content)
        flipped[begin + offset] ^= 0x55
        path.write_bytes(flipped)
        try:
            loaded = keras.models.load_model(path)
        except (zipfile.BadZipFile, zipfile.zlib.error):
            refused += 1
        else:
            # A few bits of a compressed file mean nothing, such as those after its end.
            for found, expected in zip(loaded.get_weights(), model.get_weights(), strict=True):
                np.testing.assert_array_equal(found, expected)
    assert refused >= 8


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_truncated_files_are_found(path, keep):
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(ValueError, match="ensure the file is an accessible `.keras` zip file"):
        keras.models.load_model(path)


def test_what_a_newer_version_wrote_is_named(path):
    edit_config(path, "QuantizedConv2D", lambda layer: layer["config"].update(layout="packed"))
    with pytest.raises(ValueError, match="Unrecognized keyword.*QuantizedConv2D: {'layout'"):
        keras.models.load_model(path)
    edit_config(path, "QuantizedConv2D", lambda layer: layer["config"].pop("layout"))

    def rename(layer):
        layer.update(class_name="QuantizedConv9D", registered_name="kerasopt>QuantizedConv9D")

    edit_config(path, "QuantizedConv2D", rename)
    with pytest.raises(TypeError, match="Could not locate class 'QuantizedConv9D'"):
        keras.models.load_model(path)


def test_configs_out_of_range_are_named(path):
    edit_config(path, "QuantizedDense", lambda layer: layer["config"].update(output_max=300))
    with pytest.raises(ValueError, match="Received: output_max=300"):
        keras.models.load_model(path)


def test_no_code_of_a_file_runs(path, tmp_path):
    function = keras.saving.serialize_keras_object(layers.Lambda(lambda x: 2 * x))
    edit_config(
        path, "QuantizedActivation", lambda layer: layer["config"].update(functions=[function])
    )
    with pytest.raises(ValueError, match="Requested the deserialization of a `Lambda` layer"):
        keras.models.load_model(path)
    # The activation of a file is its table.
    keras.models.load_model(path, safe_mode=False)

    function = {"module": "os", "class_name": "mkdir", "config": {"path": str(tmp_path / "made")}}
    edit_config(
        path, "QuantizedActivation", lambda layer: layer["config"].update(functions=[function])
    )
    with pytest.raises(TypeError, match="could not be deserialized"):
        keras.models.load_model(path)
    assert not (tmp_path / "made").exists()


# Files hold the code of lambdas, which Keras refuses to run.
LAMBDAS = {
    "recorded": lambda x: x * 2.0,
    "not recorded": lambda x: (x.device, x * 2.0)[1],  # symbolic tensors have no device
}


def between_integers(function):
    """Returns rows, and an integer model with a float `Lambda` layer in it."""
    inputs = keras.Input((4,))
    x = layers.Lambda(function, (4,), name="lambda")(layers.Dense(4, name="before")(inputs))
    model = keras.Model(inputs, layers.Dense(2, name="after")(x))
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    with pytest.warns(UserWarning, match="lambda"):
        return x, ko.convert(quantization_aware(randomize(model), x))


def test_lambda_layers_between_integers_are_operations(tmp_path):
    x, integers = between_integers(LAMBDAS["recorded"])
    ko.save(integers, tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), integers(x))


def test_lambda_layers_that_are_not_recorded_stay_refused(tmp_path):
    x, integers = between_integers(LAMBDAS["not recorded"])
    ko.save(integers, tmp_path / "model.keras")
    with pytest.raises(ValueError, match="Requested the deserialization of a `Lambda` layer"):
        keras.models.load_model(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=False)
    np.testing.assert_array_equal(loaded(x), integers(x))
