"""The cache of a teacher: what is written, what is read, and what is refused."""

import keras
import numpy as np
import pytest

import kerasopt as ko

N = 50
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, 6)).astype("float32")
Y = RNG.integers(0, 3, N)


def model(classes=3, seed=0, units=5):
    keras.utils.set_random_seed(seed)
    made = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(units, "relu"), keras.layers.Dense(classes)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    made.compile("adam", loss)
    return made


def cache(teacher, folder, x=X, **options):
    return ko.distillation.cache(teacher, x, folder, **{"verbose": 0, "batch_size": 8, **options})


def teacher_part(cached, index, data):
    cached.attended = 1
    return data[index][2]["kerasopt_teacher"]["outputs"]


def test_reads_what_the_teacher_predicts(tmp_path):
    teacher = model()
    expected = teacher.predict(X, verbose=0)
    cached = cache(teacher, tmp_path / "cache", dtype="float32")
    np.testing.assert_allclose(cached.read(np.arange(N))["outputs"], expected, rtol=1e-6)
    data = cached.dataset(X, Y, batch_size=7)
    cached.attended = 1
    seen = []
    for index in range(len(data)):
        x, y, extra = data[index]
        rows = [int(np.flatnonzero((X == row).all(axis=1))[0]) for row in x]
        seen += rows
        np.testing.assert_array_equal(y, Y[rows])
        taught = extra["kerasopt_teacher"]["outputs"]
        np.testing.assert_allclose(taught, expected[rows], rtol=1e-6)
        np.testing.assert_array_equal(extra["sample_weight"], np.ones(len(rows)))
    assert sorted(seen) == list(range(N))


def test_float16_is_half_as_large_and_close(tmp_path):
    teacher = model()
    half, full = (cache(teacher, tmp_path / dtype, dtype=dtype) for dtype in ("float16", "float32"))
    sizes = [
        sum(file.stat().st_size for file in (tmp_path / dtype).glob("*.bin"))
        for dtype in ("float16", "float32")
    ]
    assert sizes == [N * 3 * 2, N * 3 * 4]
    everything = np.arange(N)
    outputs = half.read(everything)["outputs"]
    assert outputs.dtype == "float16"
    np.testing.assert_array_equal(outputs, full.read(everything)["outputs"].astype("float16"))


def test_is_opened_again_without_the_teacher_running(tmp_path, monkeypatch):
    cache(model(), tmp_path / "cache")
    teacher = model()  # made again: its layers have other names
    monkeypatch.setattr(keras.Model, "predict_on_batch", None)
    cache(teacher, tmp_path / "cache", batch_size=16)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"teacher": model(seed=1)}, "the teacher's weights is"),
        ({"teacher": model(units=4)}, "the teacher's config is"),
        ({"x": X[::-1]}, "the data is"),
        ({"x": X[:-1]}, "the data is"),
        ({"dtype": "float32"}, "dtype is 'float16' there, and 'float32' now"),
    ],
)
def test_of_something_else_is_refused(tmp_path, changed, message):
    cache(model(), tmp_path / "cache")
    with pytest.raises(ValueError, match=message):
        cache(**{"teacher": model(), "folder": tmp_path / "cache", **changed})
