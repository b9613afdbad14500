import keras
import numpy as np
import pytest
import tensorflow as tf
from callbacks.scores import fit, make, pruning
from techniques import models
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

import kerasopt as ko


def events(directory):
    """Returns tag to the tensors of the steps, of the run of training."""
    events = EventAccumulator(str(directory / "train"), size_guidance={"tensors": 0}).Reload()
    tags = [tag for tag in events.Tags()["tensors"] if tag != "keras"]  # that is the graph
    return {
        tag: {event.step: make_ndarray(event.tensor_proto) for event in events.Tensors(tag)}
        for tag in tags
    }


def scalars(directory):
    return {
        tag: {step: float(value) for step, value in steps.items()}
        for tag, steps in events(directory).items()
        if not tag.startswith("mask/")
    }


def images(directory):
    """Returns tag of the mask to the pixels of the steps, from 0 to 255."""
    return {
        tag.removeprefix("mask/"): {
            # The tensor holds width, height and the file.
            step: tf.io.decode_png(value[2]).numpy()[..., 0]
            for step, value in steps.items()
        }
        for tag, steps in events(directory).items()
        if tag.startswith("mask/")
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A training with all callbacks: its scalars, the trained model, its images."""
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
            ko.callbacks.TensorBoard(directory, sample=x[:4]),
            ko.callbacks.Curriculum(data, end="50%"),
            ko.callbacks.Pruning(ko.schedules.Linear(0.0, 0.5, begin=3, end=6)),
            ko.callbacks.QuantizationAware(begin=9),
            ko.callbacks.Distillation(models.convolutional(), alpha=0.5),
        ],
    )
    return scalars(directory), model, images(directory)


def test_sparsity_per_weight_and_in_all(run):
    tags, model, _ = run
    assert [round(value, 2) for value in tags["sparsity/total"].values()] == [0, 0.5, 0.5, 0.5]
    kernel = model.get_layer("conv").kernel.numpy()
    assert tags["sparsity/conv/kernel"][3] == pytest.approx(0.5)
    assert (kernel == 0).mean() >= 0.5
    assert "sparsity/separable/pointwise_kernel" in tags


def test_ranges(run):
    tags, model, _ = run
    observer = model.get_layer("classifier").parametrizations["output"][0].observer
    for name in ("minimum", "maximum"):
        values = tags[f"range/classifier/{name}"]
        assert values.keys() == {0, 1, 2, 3}
        assert values[3] == pytest.approx(float(getattr(observer, name)), rel=1e-5)
    assert tags["range/conv/input/minimum"][0] < 0 < tags["range/conv/input/maximum"][0]


def test_noise_and_clipping_of_weights_and_activations(run):
    tags, model, _ = run
    measured = ko.quantization.measure(model, models.data(model)[0][:4])
    for tensor in ("classifier", "conv/input", "conv/kernel"):
        path = "classifier/output" if tensor == "classifier" else tensor
        # Values are rounded from the end of the third epoch on.
        assert tags[f"sqnr/{tensor}"].keys() == tags[f"clipped/{tensor}"].keys() == {2, 3}
        assert tags[f"sqnr/{tensor}"][3] == pytest.approx(measured[path].sqnr, rel=1e-4)
        assert tags[f"clipped/{tensor}"][3] == pytest.approx(measured[path].clipped)


def test_the_stage_of_all_callbacks(run):
    tags, _, _ = run
    # Pruning is complete after 6 updates, quantization begins after 9; epochs have 3.
    assert [int(value) for value in tags["compression/stage"].values()] == [1, 1, 2, 2]


class Kernels(keras.callbacks.Callback):
    """Notes the mask and the values of the first kernel at the end of each epoch."""

    def __init__(self):
        super().__init__()
        self.masks, self.values = [], []

    def on_epoch_end(self, epoch, logs=None):
        weight, mask = ko.sparsity.masked_variables(self.model)[0]
        self.masks.append(mask.numpy())
        self.values.append(np.abs(weight.numpy()))


def test_how_much_of_each_mask_changed_and_where_it_cuts(tmp_path):
    model, kernels = make(), Kernels()
    fit(model, pruning(3, 8), kernels, ko.callbacks.TensorBoard(tmp_path), epochs=4)
    tags, name = scalars(tmp_path), f"{model.layers[0].name}/kernel"
    before = [kernels.masks[0], *kernels.masks]
    changed = [np.mean(a != b) for a, b in zip(before, kernels.masks, strict=False)]
    assert changed[0] == changed[3] == 0 < min(changed[1:3])
    assert list(tags[f"churn/{name}"].values()) == pytest.approx(changed)
    kept = [v[m].min() for v, m in zip(kernels.values, kernels.masks, strict=True)]
    # At the end of the first epoch nothing is pruned yet.
    assert list(tags[f"threshold/{name}"].values()) == pytest.approx([0, *kept[1:]])


def test_churn_of_all_masks_together(run):
    tags, model, _ = run
    masks = [mask.numpy() for _, mask in ko.sparsity.masked_variables(model)]
    pruned = sum(mask.size - mask.sum() for mask in masks) / sum(mask.size for mask in masks)
    assert list(tags["churn/total"].values()) == pytest.approx([0, pruned, 0, 0])


def test_a_mask_is_an_image_of_inputs_by_outputs(run):
    _, model, pictures = run
    masks = {weight.path: mask.numpy() for weight, mask in ko.sparsity.masked_variables(model)}
    views = {
        "conv/kernel": masks["conv/kernel"].reshape(27, 6),
        "depthwise/kernel": masks["depthwise/kernel"].reshape(9, 6),
        "transposed/kernel": masks["transposed/kernel"].swapaxes(2, 3).reshape(54, 6),
        "classifier/kernel": masks["classifier/kernel"],
    }
    sides = {"conv/kernel": 16, "depthwise/kernel": 16, "transposed/kernel": 9}
    for path, view in views.items():
        height = sides.get(path, 16)
        cells = np.repeat(np.repeat(view, height, axis=0), 16, axis=1)
        assert pictures[path].keys() == {0, 1}  # when it has changed
        np.testing.assert_array_equal(pictures[path][1], np.where(cells, 255, 0), path)
        assert pictures[path][0].min() == 255  # before pruning begins


def test_masks_that_are_larger_than_an_image_are_averaged(tmp_path):
    model = keras.Sequential([keras.Input((1100,)), keras.layers.Dense(600, name="large")])
    model.compile("sgd", "mse", run_eagerly=True)
    link = ko.sparsity.Mask()
    ko.parametrize(model, "large/kernel", link)
    mask = np.random.default_rng(0).random((1100, 600)) < 0.3
    link.mask.assign(mask)
    data = np.zeros((4, 1100)), np.zeros((4, 600))
    model.fit(*data, verbose=0, callbacks=[ko.callbacks.TensorBoard(tmp_path)])
    pixels = images(tmp_path)["large/kernel"][0]
    assert pixels.shape == (367, 300)
    for row, column in ((0, 0), (100, 7), (366, 299)):
        share = mask[3 * row : 3 * row + 3, 2 * column : 2 * column + 2].mean()
        assert pixels[row, column] == np.rint(255 * share)
    # No callback compresses, so there is no stage.
    assert "compression/stage" not in scalars(tmp_path)


def test_a_weight_without_anything_left_has_no_threshold(tmp_path):
    model, link = make(), ko.sparsity.Mask()
    name = f"{model.layers[0].name}/kernel"
    ko.parametrize(model, name, link)
    link.mask.assign(np.zeros((6, 8), bool))
    fit(model, ko.callbacks.TensorBoard(tmp_path))
    tags = scalars(tmp_path)
    assert (tags[f"threshold/{name}"][0], tags[f"sparsity/{name}"][0]) == (0, 1)


def test_what_keras_writes_and_the_other_callbacks_log(run):
    tags, _, _ = run
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
    assert not [tag for tag in events(tmp_path) if not tag.startswith("epoch_")]
