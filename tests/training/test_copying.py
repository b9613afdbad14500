import copy
import pickle

import keras
import numpy as np
import pytest

import kerasopt as ko

X, Y = np.random.default_rng(0).normal(size=(16, 4)), np.arange(16) % 3
DATA = ko.curriculum.CurriculumDataset(X, Y, scores=np.arange(16.0), batch_size=8)
callbacks, schedules = ko.callbacks, ko.schedules


def make():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), keras.layers.Dense(3)])
    eagerly = keras.config.backend() == "tensorflow"
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, run_eagerly=eagerly)
    return model


MAKERS = {
    "pruning": lambda folder: callbacks.Pruning(
        schedules.PolynomialDecay(0.0, 0.5, end="50%"), "global", rules=[("dense*", 0.3)]
    ),
    "saliency": lambda folder: callbacks.Pruning(
        schedules.OneShot(0.5, begin=2), criterion="saliency"
    ),
    "wanda": lambda folder: callbacks.Pruning(schedules.OneShot(0.5, begin=2), criterion="wanda"),
    "rewind": lambda folder: callbacks.Pruning(schedules.Iterative(0.5, 2), rewind="init"),
    "rigl": lambda folder: callbacks.Pruning(schedules.OneShot(0.5), regrowth="rigl"),
    "guided": lambda folder: callbacks.Pruning(ko.sparsity.MetricGuided("loss", budget=0.1)),
    "quantization": lambda folder: callbacks.QuantizationAware(
        "int4", weight_quantizer=ko.quantization.LSQWeight(), begin="50%"
    ),
    "distillation": lambda folder: callbacks.Distillation(make()),
    "curriculum": lambda folder: callbacks.Curriculum(DATA),
    "early stopping": lambda folder: callbacks.EarlyStopping("loss", restore_best_weights=True),
    "checkpoint": lambda folder: callbacks.ModelCheckpoint(folder / "best.keras", "loss"),
    "backup": lambda folder: callbacks.BackupAndRestore(folder / "backup"),
    "board": lambda folder: callbacks.TensorBoard(folder / "logs"),
}


def fit(callback):
    data = (callback.data,) if isinstance(callback, callbacks.Curriculum) else (X, Y)
    model = make()
    return model, model.fit(*data, epochs=2, verbose=0, callbacks=[callback])


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.filterwarnings("ignore")
def test_callbacks_are_copied_before_and_after_use(name, tmp_path):
    callback = MAKERS[name](tmp_path)
    copies = [copy.deepcopy(callback), pickle.loads(pickle.dumps(callback))]
    fit(callback)
    copies += [pickle.loads(pickle.dumps(callback)), copy.deepcopy(callback)]
    assert all(type(each) is type(callback) and each is not callback for each in copies)
    model, _ = fit(copies[-1])
    if name in ("pruning", "wanda"):
        kernels = np.concatenate([layer.kernel.numpy().ravel() for layer in model.layers])
        assert (kernels == 0).mean() == pytest.approx(0.3 if name == "pruning" else 0.5, abs=0.1)


@pytest.mark.parametrize("name", ["pruning", "quantization", "distillation"])
def test_a_copy_holds_nothing_of_a_training(name, tmp_path):
    callback = MAKERS[name](tmp_path)
    before = len(pickle.dumps(callback))
    model, _ = fit(callback)
    assert copy.deepcopy(callback)._model is None
    assert len(pickle.dumps(callback)) == pytest.approx(before, rel=0.05)


def test_copies_share_the_teacher_and_the_data_of_the_fit():
    teacher = make()
    assert copy.deepcopy(callbacks.Distillation(teacher)).teacher is teacher
    assert copy.deepcopy(callbacks.Curriculum(DATA)).data is DATA
    # What is copied together stays together.
    data, callback = copy.deepcopy([DATA, callbacks.Curriculum(DATA)])
    assert callback.data is data is not DATA


def test_classes_of_the_users_own_are_made_with_their_own_arguments():
    class Half(callbacks.Pruning):
        def __init__(self, share=0.5, *, pattern="element"):
            super().__init__(share / 2, pattern=pattern)

    copied = copy.deepcopy(Half(0.8, pattern="filter"))
    assert (copied.recipe.final, copied.recipe.pattern.alias) == (0.4, "filter")
