"""The cache of a teacher: what is written and read, and which folders are refused."""

import keras
import numpy as np
import pytest
from distillation.caching.problem import N, X, Y, attended, cache, model, outputs_in

import kerasopt as ko
from kerasopt.training.taps import Tap


def test_reads_what_the_teacher_predicts(tmp_path):
    teacher = model()
    expected = teacher.predict(X, verbose=0)
    cached = attended(cache(teacher, tmp_path / "cache", dtype="float32"))
    np.testing.assert_allclose(cached.read(np.arange(N))["outputs"], expected, rtol=1e-5)
    data = cached.dataset(X, Y, batch_size=7)
    seen = []
    for index in range(len(data)):
        x, y, extra = data[index]
        rows = [int(np.flatnonzero((X == row).all(axis=1))[0]) for row in x]
        seen += rows
        np.testing.assert_array_equal(y, Y[rows])
        np.testing.assert_allclose(outputs_in((x, y, extra)), expected[rows], rtol=1e-5)
        np.testing.assert_array_equal(extra["sample_weight"], np.ones(len(rows)))
    assert sorted(seen) == list(range(N))


def test_batches_follow_from_seed_epoch_and_index(tmp_path):
    cached = attended(cache(model(), tmp_path / "cache"))
    one, other = (cached.dataset(X, Y, batch_size=8, seed=3) for _ in range(2))
    one.on_epoch_begin()
    one.on_epoch_end()
    cached.set_epoch(1)  # as a callback does, after a resume
    for index in reversed(range(len(one))):
        np.testing.assert_array_equal(one[index][0], other[index][0])
    cached.set_epoch(0)
    assert not np.array_equal(one[0][0], cached.dataset(X, Y, batch_size=8, seed=4)[0][0])
    plain = cached.dataset(X, Y, batch_size=8, shuffle=False)
    np.testing.assert_array_equal(plain[1][0], X[8:16])


def test_float16_is_half_as_large_and_rounded(tmp_path):
    teacher = model()
    half, full = (cache(teacher, tmp_path / name, dtype=name) for name in ("float16", "float32"))
    sizes = [
        sum(file.stat().st_size for file in (tmp_path / name).glob("*.bin"))
        for name in ("float16", "float32")
    ]
    assert sizes == [N * 3 * 2, N * 3 * 4]
    outputs, exact = (each.read(np.arange(N))["outputs"] for each in (half, full))
    assert outputs.dtype == "float16"
    np.testing.assert_array_equal(outputs, exact.astype("float16"))


def test_several_outputs_and_inputs_keep_their_structure(tmp_path):
    a, b = keras.Input((6,), name="a"), keras.Input((2,), name="b")
    both = keras.layers.Concatenate()([a, b])
    outputs = {"kind": keras.layers.Dense(3)(both), "box": keras.layers.Dense(4)(both)}
    teacher = keras.Model({"a": a, "b": b}, outputs)
    teacher.compile(loss={"kind": "categorical_crossentropy", "box": "mse"})
    x = {"a": X, "b": X[:, :2]}
    cached = attended(cache(teacher, tmp_path / "cache", x, dtype="float32"))
    expected = teacher.predict(x, verbose=0)
    inputs, _, extra = cached.dataset(x, Y, batch_size=N, shuffle=False)[0]
    np.testing.assert_array_equal(inputs["b"], x["b"])
    for name, values in extra["kerasopt_teacher"]["outputs"].items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6)
    kinds = {output.name: output.kind for output in cached.outputs}
    assert kinds["box"] is ko.distillation.Kind.VALUES
    assert kinds["kind"] is ko.distillation.Kind.PROBABILITIES
    assert cached.structure["outputs"]["box"].shape == (None, 4)


def test_features_are_read_at_taps(tmp_path):
    teacher = model()
    hidden = teacher.layers[0]
    taps = [hidden.name, Tap(hidden.name, of="input")]
    cached = cache(teacher, tmp_path / "cache", taps=taps, dtype="float32")
    outputs, inputs = cached.read(np.arange(N))["features"]
    np.testing.assert_allclose(outputs, hidden(X), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(inputs, X)
    assert len(cached.taps) == 2
    with pytest.raises(ValueError, match="taps is"):
        cache(teacher, tmp_path / "cache", taps=taps[:1], dtype="float32")


def test_a_file_is_a_teacher(tmp_path):
    teacher = model()
    for name, seed in (("one", 0), ("other", 1)):
        model(seed=seed).export(tmp_path / name, verbose=False)
    cached = cache(str(tmp_path / "one"), tmp_path / "cache", dtype="float32")
    expected = teacher.predict(X, verbose=0)
    np.testing.assert_allclose(cached.read(np.arange(N))["outputs"], expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="the teacher's file is"):
        cache(str(tmp_path / "other"), tmp_path / "cache", dtype="float32")


def test_preprocessing_belongs_to_the_teacher(tmp_path):
    twice = ko.distillation.ModelTeacher(model(), preprocess=lambda x: 2 * x)
    cached = cache(twice, tmp_path / "cache", dtype="float32")
    expected = model().predict(2 * X, verbose=0)
    np.testing.assert_allclose(cached.read(np.arange(N))["outputs"], expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="the teacher's preprocessing is"):
        cache(model(), tmp_path / "cache", dtype="float32")


def test_weights_of_classes_and_samples(tmp_path):
    cached = attended(cache(model(), tmp_path / "cache"))
    options = {"batch_size": N, "shuffle": False}
    weighted = cached.dataset(X, Y, class_weight={0: 2.0, 2: 0.5}, **options)
    expected = np.array([2.0, 1.0, 0.5])[Y]
    np.testing.assert_array_equal(weighted[0][2]["sample_weight"], expected)
    one_hot = cached.dataset(X, np.eye(3)[Y], class_weight={0: 2.0, 2: 0.5}, **options)
    np.testing.assert_array_equal(one_hot[0][2]["sample_weight"], expected)
    given = cached.dataset(X, Y, sample_weight=expected, **options)
    np.testing.assert_array_equal(given[0][2]["sample_weight"], expected)
    assert cached.dataset(X, **options)[0][1] == ()


def test_is_opened_again_without_running_the_teacher(tmp_path, monkeypatch):
    cache(model(), tmp_path / "cache")
    monkeypatch.setattr(keras.Model, "predict_on_batch", None)
    # Made again, its layers have other names; another size of batches matters only to writing.
    opened = cache(model(), tmp_path / "cache", batch_size=16)
    assert opened.read(np.arange(N))["outputs"].shape == (N, 3)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"teacher": model(seed=1)}, "the teacher's weights is"),
        ({"teacher": model(units=4)}, "the teacher's config is"),
        ({"x": X[::-1]}, "the data is"),
        ({"x": X[:-1]}, "the data is"),
        ({"dtype": "float32"}, "dtype is 'float16' there, and 'float32' now"),
        ({"top_k": 2}, "top_k is None there, and 2 now"),
        ({"augment": keras.layers.GaussianNoise(0.1)}, "augment is None there"),
    ],
)
def test_a_cache_of_something_else_is_refused(tmp_path, changed, message):
    cache(model(), tmp_path / "cache")
    with pytest.raises(ValueError, match=message):
        cache(**{"teacher": model(), "folder": tmp_path / "cache", **changed})


def test_inputs_of_another_cache_are_refused(tmp_path):
    cached = cache(model(), tmp_path / "cache")
    for x in (X[::-1], X[:-1], X.astype("float64"), {"a": X, "b": X}):
        with pytest.raises(ValueError, match="The cache was made of other inputs"):
            cached.dataset(x, Y)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": Y[:-1]}, r"Received: y of shape \(49,\), 50 samples"),
        ({"sample_weight": np.ones(3)}, "Received: sample_weight of shape"),
        ({"batch_size": 0}, "Received: batch_size=0"),
        ({"batch_size": N + 1}, "Received: batch_size=51"),
    ],
)
def test_bad_arguments_of_the_dataset(tmp_path, arguments, message):
    cached = cache(model(), tmp_path / "cache")
    with pytest.raises(ValueError, match=message):
        cached.dataset(**{"x": X, "y": Y, **arguments})


def test_class_weights_need_targets_and_no_other_weights(tmp_path):
    cached = attended(cache(model(), tmp_path / "cache"))
    with pytest.raises(ValueError, match="`class_weight` needs one array of targets"):
        cached.dataset(X, class_weight={0: 1.0})[0]
    with pytest.raises(ValueError, match="either `sample_weight` or `class_weight`"):
        cached.dataset(X, Y, sample_weight=np.ones(N), class_weight={0: 1.0})[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"views": 0}, "Received: views=0"),
        ({"views": 2}, "`views` are versions of the inputs that `augment` makes"),
        ({"dtype": "int8"}, "Received: dtype='int8'"),
        ({"batch_size": 0}, "Received: batch_size=0"),
        ({"seed": -1}, "Received: seed=-1"),
        ({"top_k": 0}, "Received: top_k=0"),
        ({"x": {"a": X, "b": X[:3]}}, "`x` must be arrays with one entry for each sample"),
        ({"x": 3.0}, "`x` must be arrays with one entry for each sample"),
        ({"x": X[:0]}, "`x` must be arrays with one entry for each sample"),
        ({"teacher": keras.Sequential([keras.layers.Dense(2)])}, "has no weights yet"),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        cache(**{"teacher": model(), "folder": tmp_path / "cache", **arguments})
    assert not (tmp_path / "cache").exists()


def test_types_of_arguments(tmp_path):
    with pytest.raises(TypeError, match="`teacher` must be"):
        cache(lambda x: x, tmp_path / "cache")
    for several in ([model(), model()], ko.distillation.SelfTeacher()):
        with pytest.raises(TypeError, match="A cache is that of one teacher"):
            cache(several, tmp_path / "cache")
    with pytest.raises(TypeError, match="`augment` must be a layer or a function"):
        cache(model(), tmp_path / "cache", augment="flip")


def test_what_is_in_the_way_is_never_touched(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(ValueError, match="`folder` is a file"):
        cache(model(), file)
    (tmp_path / "foreign").mkdir()
    foreign = tmp_path / "foreign" / "thesis.tex"
    foreign.write_text("mine")
    with pytest.raises(ValueError, match=r"holds files that are no cache.*thesis\.tex"):
        cache(model(), tmp_path / "foreign")
    assert file.read_text() == foreign.read_text() == "mine"
    assert list((tmp_path / "foreign").iterdir()) == [foreign]
