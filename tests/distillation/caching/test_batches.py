"""Caches of datasets: of a fixed order, replayed, and of a curriculum."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from distillation.caching.problem import N, X, Y, attended, cache, contents, model, outputs_in

import kerasopt as ko

SIZES = (16, 16, 18)


class Batches(keras.utils.PyDataset):
    """Batches of uneven sizes; with `changes`, others in each epoch."""

    def __init__(self, changes=None, workers=1):
        super().__init__(workers=workers)
        self.changes, self.rng = changes, np.random.default_rng(0)
        self.order = np.arange(N)

    def __len__(self):
        return len(SIZES)

    def __getitem__(self, index):
        begin = sum(SIZES[:index])
        rows = self.order[begin : begin + SIZES[index]]
        x = X[rows]
        if self.changes == "augments":
            x = x + self.rng.standard_normal(x.shape).astype("float32")
        return x, Y[rows], np.arange(N)[rows] / N

    def on_epoch_end(self):
        if self.changes == "shuffles":
            self.rng.shuffle(self.order)


def tf_batches(shuffles=False):
    data = tf.data.Dataset.from_tensor_slices((X, Y, np.arange(N) / N))
    if shuffles:
        data = data.shuffle(N)
    return data.batch(16)


def epochs_of(data, count=2):
    for _ in range(count):
        data.on_epoch_begin()
        yield [data[index] for index in range(len(data))]
        data.on_epoch_end()


@pytest.mark.parametrize("made", [Batches, tf_batches])
def test_batches_of_a_fixed_order_are_accompanied(tmp_path, made):
    teacher = model()
    cached = attended(cache(teacher, tmp_path / "cache", made(), dtype="float32"))
    assert not (tmp_path / "cache" / "x_0_values.bin").exists()
    data = cached.dataset(made())
    for batches in epochs_of(data):
        np.testing.assert_array_equal(np.concatenate([x for x, _, _ in batches]), X)
        for x, y, extra in batches:
            np.testing.assert_allclose(
                outputs_in((x, y, extra)),
                teacher.predict_on_batch(np.asarray(x)),
                rtol=1e-4,
                atol=1e-6,
            )
        weights = np.concatenate([extra["sample_weight"] for _, _, extra in batches])
        np.testing.assert_allclose(weights, np.arange(N) / N)
    cached = cache(model(), tmp_path / "cache", made(), dtype="float32")  # opened again
    attended(cached).dataset(made())[0]


@pytest.mark.parametrize(
    ("made", "changed"),
    [
        (Batches, lambda: Batches("shuffles")),
        (Batches, lambda: Batches("augments")),
        (tf_batches, lambda: tf_batches(shuffles=True)),
    ],
)
def test_batches_that_change_are_refused(tmp_path, made, changed):
    cached = attended(cache(model(), tmp_path / "cache", made()))
    data = cached.dataset(changed())
    with pytest.raises(ValueError, match=r"gives other batches.*Received: batch \d"):
        list(epochs_of(data))


def test_a_dataset_that_shuffles_is_refused_when_it_is_opened_again(tmp_path):
    data = Batches("shuffles")
    cache(model(), tmp_path / "cache", data)
    with pytest.raises(ValueError, match="gives other batches"):
        cache(model(), tmp_path / "cache", data)


def test_batches_that_change_are_replayed(tmp_path):
    teacher = model()
    source = Batches("augments")
    cached = attended(cache(teacher, tmp_path / "cache", source, views=2, dtype="float32"))
    data = cached.dataset(batch_size=10)
    first, second = epochs_of(data)
    for x, y, extra in (*first, *second):
        np.testing.assert_allclose(
            outputs_in((x, y, extra)), teacher.predict_on_batch(np.asarray(x)), rtol=1e-4, atol=1e-6
        )
        np.testing.assert_array_equal(y, Y[np.rint(extra["sample_weight"] * N).astype(int)])
    assert not np.array_equal(np.sort(first[0][0], axis=0), np.sort(second[0][0], axis=0))
    with pytest.raises(ValueError, match="call `dataset` without `x`"):
        cached.dataset(Batches("augments"))


def test_other_datasets_are_refused(tmp_path):
    cached = cache(model(), tmp_path / "cache", Batches())
    for other in (X, tf_batches().take(2), None):
        with pytest.raises(ValueError, match="made of a dataset of 3 batches|`x` must be"):
            cached.dataset(other)
    with pytest.raises(ValueError, match="`y` and `sample_weight` belong to arrays"):
        cached.dataset(Batches(), Y)
    with pytest.raises(ValueError, match="the data is"):
        cache(model(), tmp_path / "cache", X)


def test_endless_and_empty_datasets_are_refused(tmp_path):
    with pytest.raises(ValueError, match="must have a number of batches"):
        cache(model(), tmp_path / "cache", tf_batches().repeat())
    with pytest.raises(ValueError, match="at least one"):
        cache(model(), tmp_path / "cache", tf_batches().filter(lambda *batch: False))


def test_batches_resume_where_they_were(tmp_path, monkeypatch):
    from kerasopt.distillation.caching import writing

    read, left = keras.Model.predict_on_batch, iter(range(2))

    def failing(self, x):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return read(self, x)

    monkeypatch.setattr(writing, "_COMMIT_SECONDS", 0.0)
    monkeypatch.setattr(keras.Model, "predict_on_batch", failing)
    with pytest.raises(KeyboardInterrupt):
        cache(model(), tmp_path / "cache", tf_batches())
    monkeypatch.undo()
    with pytest.raises(ValueError, match="gives other batches"):
        cache(model(), tmp_path / "cache", tf_batches(shuffles=True))
    cache(model(), tmp_path / "cache", tf_batches())
    cache(model(), tmp_path / "whole", tf_batches())
    assert contents(tmp_path / "cache") == contents(tmp_path / "whole")


@pytest.mark.parametrize("augment", [None, keras.layers.GaussianNoise(0.1)])
def test_a_curriculum_keeps_its_order(tmp_path, augment):
    teacher, scores = model(), np.arange(N)
    curriculum = ko.curriculum.CurriculumDataset(X, Y, scores, batch_size=10)
    cached = attended(cache(teacher, tmp_path / "cache", X, augment=augment, dtype="float32"))
    data = cached.dataset(curriculum)
    curriculum.set_pacing(lambda progress: 0.2, 0, 10**6)
    for batches in epochs_of(data):
        for x, y, extra in batches:
            np.testing.assert_allclose(
                outputs_in((x, y, extra)),
                teacher.predict_on_batch(np.asarray(x)),
                rtol=1e-4,
                atol=1e-6,
            )
            assert set(y) <= set(Y[:10])
            if augment is None:
                assert all((row == X[:10]).all(axis=1).any() for row in x)
        assert len(batches) == len(curriculum)
    assert curriculum.epoch == curriculum.passes == 2
    cache(model(), tmp_path / "cache", curriculum, augment=augment, dtype="float32")


def test_a_curriculum_over_other_inputs_is_refused(tmp_path):
    cached = cache(model(), tmp_path / "cache")
    with pytest.raises(ValueError, match="The cache was made of other inputs"):
        cached.dataset(ko.curriculum.CurriculumDataset(2 * X, Y, np.arange(N)))
