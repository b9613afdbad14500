"""Files of other runtimes that are damaged: named in a ValueError, and the process lives."""

import keras
import numpy as np
import pytest
from keras import layers
from lowering.trained import images, quantization_aware, randomize

import kerasopt as ko
from kerasopt.exporters.foreign_process import ForeignProcess
from kerasopt.exporters.litert import run as litert

SUFFIXES = (".tflite", ".onnx", ".keras")


@pytest.fixture(scope="module")
def integers():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="relu")(inputs)
    x = layers.Dense(3)(layers.GlobalAveragePooling2D()(x))
    return ko.convert(quantization_aware(randomize(keras.Model(inputs, x)), images(4, 8)))


@pytest.fixture(scope="module")
def files(integers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    ko.export(integers, folder / "model.tflite")
    ko.export(integers, folder / "model.onnx", format="onnx")
    ko.save(integers, folder / "model.keras")
    return {suffix: (folder / f"model{suffix}").read_bytes() for suffix in SUFFIXES}


def flipped(content, generator):
    damaged = bytearray(content)
    for place in generator.integers(0, len(content), 4):
        damaged[place] ^= 1 << int(generator.integers(0, 8))
    return bytes(damaged)


def overwritten(content, generator):
    start = int(generator.integers(0, len(content) - 16))
    return content[:start] + generator.bytes(16) + content[start + 16 :]


def cut(content, generator):
    return content[: int(generator.integers(0, len(content)))]


@pytest.mark.parametrize("damage", [flipped, overwritten, cut])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damage_ends_no_process(integers, files, suffix, damage, tmp_path):
    generator = np.random.default_rng(0)
    path = tmp_path / f"damaged{suffix}"
    for _ in range(3):
        path.write_bytes(damage(files[suffix], generator))
        try:
            ko.compare(integers, path, images(2, 8))  # harmless damage is none
        except ValueError as error:
            assert path.name in str(error)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_no_such_file_is_named(integers, files, suffix, tmp_path):
    path = tmp_path / f"other{suffix}"
    path.mkdir()
    with pytest.raises(ValueError, match=path.name):
        ko.compare(integers, path, images(2, 8))
    path.rmdir()
    another = files[SUFFIXES[SUFFIXES.index(suffix) - 1]]
    for content in (b"", another):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=path.name):
            ko.compare(integers, path, images(2, 8))


def test_other_data_is_named(integers, files, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(files[".tflite"])
    with pytest.raises(ValueError, match=r"model.tflite.*shapes \[\(2, 8, 8, 2\)\]"):
        ko.compare(path, path, images(2, 8)[..., :2])
    with pytest.raises(ValueError, match="it has 1 inputs, not 2"):
        ko.compare(path, path, [images(2, 8)] * 2)


def test_a_process_that_dies_is_told_of(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        "import os\n"
        "def load(): pass\n"
        "def answer(path, arrays, trace): print('at last'); os.abort()\n"
    )
    with ForeignProcess("Runtime", str(script)) as process:
        with pytest.raises(ValueError, match="'some.file'.*ended the process by SIGABRT"):
            process.ask("some.file", trace=False)
    with ForeignProcess("Runtime", str(script)) as process:
        with pytest.raises(ValueError, match="Runtime does not run the file.*Received: path='f'"):
            process.check(tmp_path / "f")


def test_a_file_with_a_batch_size_runs_batch_by_batch(tmp_path):
    model = keras.Sequential([keras.Input((5, 4)), layers.LSTM(3, name="lstm"), layers.Dense(2)])
    x = np.random.default_rng(0).normal(size=(6, 5, 4)).astype("float32")
    ko.export(model, tmp_path / "model.tflite")
    report = ko.compare(model, tmp_path / "model.tflite", x)
    assert report.first_parting is None and report.tensors[-1].size == 12


def test_batches_that_do_not_divide_are_named(tmp_path):
    class TwoAtOnce(litert.LiteRT):
        def __init__(self):
            self.inputs = [{"shape_signature": np.array([2, 3])}]

    with pytest.raises(ValueError, match="batches of 2.*multiple of 2 examples, not 5"):
        TwoAtOnce().in_batches([np.zeros((5, 3))])


def test_a_successful_export_prints_nothing(tmp_path, capfd):
    inputs = keras.Input((5, 4))
    model = keras.Model(inputs, layers.Dense(2)(layers.LSTM(3)(inputs)))
    capfd.readouterr()
    ko.export(model, tmp_path / "model.tflite")
    ko.export(model, tmp_path / "model.onnx", format="onnx")
    assert capfd.readouterr() == ("", "")
