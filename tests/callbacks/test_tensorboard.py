import keras
import numpy as np
import pytest
from techniques import models
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

import kerasopt as ko


def scalars(directory):
    """Returns tag to the values of the steps, of the run of training."""
    events = EventAccumulator(str(directory / "train"), size_guidance={"tensors": 0}).Reload()
    tags = [tag for tag in events.Tags()["tensors"] if tag != "keras"]  # that is the graph
    return {
        tag: {event.step: float(make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)}
        for tag in tags
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The scalars of a training with all callbacks, and the trained model."""
    directory = tmp_path_factory.mktemp("logs")
    model = models.convolutional()
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True
    )
    x, y = models.data(model)
    data = ko.curriculum.CurriculumDataset(x, y, np.arange(12.0), batch_size=4)
    model.fit(
        data,
        epochs=4,
        verbose=0,
        callbacks=[
            ko.callbacks.TensorBoard(directory),
            ko.callbacks.Curriculum(data, end="50%"),
            ko.callbacks.Pruning(ko.schedules.Linear(0.0, 0.5, begin=3, end=6)),
            ko.callbacks.QuantizationAware(begin=9),
            ko.callbacks.Distillation(models.convolutional(), alpha=0.5),
        ],
    )
    return scalars(directory), model


def test_sparsity_per_weight_and_in_all(run):
    tags, model = run
    assert [round(value, 2) for value in tags["sparsity/total"].values()] == [0, 0.5, 0.5, 0.5]
    kernel = model.get_layer("conv").kernel.numpy()
    assert tags["sparsity/conv/kernel"][3] == pytest.approx(0.5)
    assert (kernel == 0).mean() >= 0.5
    assert "sparsity/separable/pointwise_kernel" in tags


def test_ranges(run):
    tags, model = run
    observer = model.get_layer("classifier").parametrizations["output"][0].observer
    for name in ("minimum", "maximum"):
        values = tags[f"range/classifier/{name}"]
        assert values.keys() == {0, 1, 2, 3}
        assert values[3] == pytest.approx(float(getattr(observer, name)), rel=1e-5)
    assert tags["range/conv/input/minimum"][0] < 0 < tags["range/conv/input/maximum"][0]


def test_the_stage_of_all_callbacks(run):
    tags, _ = run
    # Pruning is complete after 6 updates, quantization begins after 9; epochs have 3.
    assert [int(value) for value in tags["compression/stage"].values()] == [1, 1, 2, 2]


def test_what_keras_writes_and_the_other_callbacks_log(run):
    tags, _ = run
    assert {
        "epoch_loss",
        "epoch_hard_loss",
        "epoch_distillation_loss",
        "epoch_curriculum",
    } <= tags.keys()
    assert tags["epoch_curriculum"][3] == 1.0


def test_without_compression_it_writes_what_keras_does(tmp_path):
    model = models.sequential()
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True
    )
    model.fit(models.Batches(model), verbose=0, callbacks=[ko.callbacks.TensorBoard(tmp_path)])
    assert not [tag for tag in scalars(tmp_path) if not tag.startswith("epoch_")]
