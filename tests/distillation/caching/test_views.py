"""Views: augmented inputs are replayed with what the teacher gave for them."""

import random

import keras
import numpy as np
import pytest
from distillation.caching.problem import N, X, Y, attended, cache, contents, model, outputs_in

LAYER = keras.Sequential([keras.layers.GaussianNoise(0.1), keras.layers.Dropout(0.2)])


def noisy(x):
    return x + np.random.normal(size=x.shape).astype("float32") * random.random()


def epoch_of(data, epoch):
    data.set_epoch(epoch)
    return [data[index] for index in range(len(data))]


@pytest.mark.parametrize("augment", [LAYER, noisy])
def test_every_epoch_is_exact(tmp_path, augment):
    teacher = model()
    cached = attended(cache(teacher, tmp_path / "cache", views=3, augment=augment, dtype="float32"))
    data = cached.dataset(X, Y, batch_size=16)
    for epoch in range(4):
        for x, _, extra in epoch_of(data, epoch):
            expected = teacher.predict_on_batch(x)
            np.testing.assert_allclose(outputs_in((x, _, extra)), expected, rtol=1e-4, atol=1e-6)


def test_epoch_e_replays_view_e_modulo_views(tmp_path):
    cached = attended(cache(model(), tmp_path / "cache", views=2, augment=LAYER))
    data = cached.dataset(y=Y, batch_size=N, shuffle=False)
    first, second, third = (epoch_of(data, epoch)[0][0] for epoch in range(3))
    np.testing.assert_array_equal(first, third)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, X)


def test_on_epoch_end_advances_to_the_next_view(tmp_path):
    cached = attended(cache(model(), tmp_path / "cache", views=2, augment=LAYER))
    data = cached.dataset(y=Y, batch_size=N, shuffle=False)
    first = data[0][0]
    data.on_epoch_end()
    assert not np.array_equal(first, data[0][0])


@pytest.mark.parametrize("augment", [LAYER, noisy])
def test_views_follow_from_the_seed(tmp_path, augment):
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        np.random.seed(len(name))  # noqa: NPY002
        cache(model(), tmp_path / name, views=2, augment=augment, seed=seed)
    one, same, other = (contents(tmp_path / name) for name in ("one", "same", "other"))
    assert one == same
    assert one["x_0_values.bin"] != other["x_0_values.bin"]


def test_randomness_of_the_program_is_left_alone(tmp_path):
    layer = keras.layers.GaussianNoise(0.1, seed=3)
    expected = keras.layers.GaussianNoise(0.1, seed=3)(X, training=True)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    drawn = random.random(), np.random.random()  # noqa: NPY002
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    teacher = model()
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    cache(teacher, tmp_path / "a", augment=noisy)
    cache(teacher, tmp_path / "b", augment=layer)
    assert drawn == (random.random(), np.random.random())  # noqa: NPY002
    np.testing.assert_array_equal(layer(X, training=True), expected)


def scaled_by(factor):
    return lambda x: x * factor


def test_another_augmentation_is_refused(tmp_path):
    for name, mine, other in (
        ("layer", keras.layers.GaussianNoise(0.1), keras.layers.GaussianNoise(0.2)),
        ("function", lambda x: x + 1, lambda x: x + 2),
        ("closure", scaled_by(2), scaled_by(3)),
    ):
        cache(model(), tmp_path / name, augment=mine)
        cache(model(), tmp_path / name, augment=mine)
        with pytest.raises(ValueError, match="augment is"):
            cache(model(), tmp_path / name, augment=other)
        with pytest.raises(ValueError, match="augment is"):
            cache(model(), tmp_path / name, augment=mine, seed=1)
    cache(model(), tmp_path / "layer", augment=keras.layers.GaussianNoise(0.1))
    cache(model(), tmp_path / "closure", augment=scaled_by(2))
    with pytest.raises(ValueError, match="views is 1 there, and 2 now"):
        cache(model(), tmp_path / "closure", augment=scaled_by(2), views=2)


def test_augmentation_keeps_the_number_of_samples(tmp_path):
    with pytest.raises(ValueError, match="`augment` must return as many samples"):
        cache(model(), tmp_path / "cache", augment=lambda x: x[:-1])


def test_strings_are_cached_but_not_replayed(tmp_path):
    words = keras.layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=2)
    layers = [words, keras.layers.Embedding(4, 3), keras.layers.Flatten()]
    teacher = keras.Sequential([keras.Input((), dtype="string"), *layers])
    x = np.array(["a", "a b", "b"])
    cached = attended(cache(teacher, tmp_path / "cache", x, dtype="float32"))
    batch = cached.dataset(x, np.arange(3), batch_size=3, shuffle=False)[0]
    np.testing.assert_allclose(outputs_in(batch), teacher.predict_on_batch(x))
    with pytest.raises(ValueError, match="The cache was made of other inputs"):
        cached.dataset(x[::-1], np.arange(3))
    with pytest.raises(ValueError, match="must be numbers"):
        cache(teacher, tmp_path / "views", x, augment=lambda x: x)
