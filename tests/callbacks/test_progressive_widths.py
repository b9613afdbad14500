"""Widths that narrow in training."""

import keras
import numpy as np
import pytest
from techniques import models
from techniques.training import Kill, Killed, loss

import kerasopt as ko

STEPS = [(8, 3), (6, 6)]
OPTIONS = {"begin": 1, "freeze": 9, "progressive": STEPS}


def compiled():
    keras.utils.set_random_seed(0)
    model = models.sequential()
    model.compile("adam", loss(), run_eagerly=keras.config.backend() == "tensorflow")
    return model


def fit(model, *callbacks, epochs=4, spec="int4", **options):
    callbacks = [ko.callbacks.QuantizationAware(spec, **OPTIONS | options), *callbacks]
    model.fit(models.Batches(model), epochs=epochs, verbose=0, callbacks=callbacks)
    return model


def levels(model):
    """The most values that a channel of a kernel has in an integer's unit."""
    largest = 0
    for layer in ko.parametrization.parametrized_layers(model):
        for link in layer.parametrizations.get("kernel", ()):
            codes, _, _ = link.codes(layer.kernel.stored)
            largest = max(largest, float(keras.ops.max(keras.ops.abs(codes))))
    return largest


class Levels(keras.callbacks.Callback):
    """Records the largest integer after each epoch of three updates, and what activations have."""

    def __init__(self):
        super().__init__()
        self.found = []

    def on_epoch_end(self, epoch, logs=None):
        layer = self.model.layers[0]
        (activation,) = layer.parametrizations["input"]
        self.found.append((levels(self.model), activation.bits))


@pytest.mark.parametrize("quantizer", ["minmax", "lsq"])
def test_each_width_has_its_time(quantizer):
    seen = Levels()
    model = fit(compiled(), seen, weight_quantizer=quantizer)
    # The width after an update holds for the next one.
    expected = [31, 7, 7, 7] if quantizer == "minmax" else None
    if expected:
        assert [largest for largest, _ in seen.found] == expected
    else:
        assert seen.found[0][0] <= 31 and all(largest <= 7 for largest, _ in seen.found[1:])
    assert {bits for _, bits in seen.found} == {8}  # the spec has as many or more
    kernel = keras.ops.convert_to_numpy(model.layers[0].kernel)
    assert max(len(np.unique(channel)) for channel in kernel.T) <= 15


def test_activations_narrow_too():
    bits = ko.quantization.Format(4, symmetric=True), ko.quantization.Format(4)
    seen = Levels()
    fit(compiled(), seen, spec=ko.quantization.Spec(*bits))
    assert [bits for _, bits in seen.found] == [6, 4, 4, 4]


def test_learned_scales_begin_anew():
    class Steps(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            (link,) = self.model.layers[0].parametrizations["kernel"]
            steps.append(keras.ops.convert_to_numpy(link.step.value()))

    steps = []
    fit(compiled(), Steps(), weight_quantizer="lsq")
    # The range stays, and has fewer values.
    for update, ratio in ((2, 127 / 31), (5, 31 / 7)):
        np.testing.assert_allclose(steps[update] / steps[update - 1], ratio, rtol=0.1)


def test_resumes_where_it_was(tmp_path):
    whole = fit(compiled(), weight_quantizer="lsq")
    backup = lambda: ko.callbacks.BackupAndRestore(tmp_path / "backup")  # noqa: E731
    with pytest.raises(Killed):
        fit(compiled(), backup(), Kill(), weight_quantizer="lsq")
    resumed = fit(compiled(), backup(), weight_quantizer="lsq")
    for one, other in zip(whole.weights, resumed.weights, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (one, other)), one.path)


def test_a_file_from_the_way_goes_on(tmp_path):
    model = fit(compiled(), epochs=1)
    model.save(tmp_path / "wide.keras")
    loaded = keras.models.load_model(tmp_path / "wide.keras")
    assert levels(loaded) == 31
    loaded.compile("adam", loss())
    assert levels(fit(loaded)) == 7


def test_complete_only_when_narrow():
    callback = ko.callbacks.QuantizationAware("int4", begin=1, progressive=[(8, 5)])
    assert callback.span(ko.callbacks.timed.Horizon(10, 5)) == (1, 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"progressive": 8}, r"list of pairs \(bits, until\).*Received: progressive=8"),
        ({"progressive": [8]}, r"list of pairs \(bits, until\).*Received: progressive=\[8\]"),
        ({"progressive": [(1, 5)]}, "from 2 to 16 bits"),
        ({"progressive": [(6, 3), (8, 6)]}, "wider integers first"),
        ({"progressive": [(8, "later")]}, "`progressive` must be a number of optimizer updates"),
        ({"progressive": [(4, 3)]}, "4 bits, and no spec has integers of fewer"),
        ({"spec": "ternary", "progressive": [(8, 3)]}, "A TernaryWeight rounds to"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ko.callbacks.QuantizationAware(**{"spec": "int4"} | arguments)


@pytest.mark.parametrize(
    ("steps", "message"),
    [([(8, 6), (6, 3)], "has times that rise"), ([(8, 11)], "must have ended before `freeze`")],
)
def test_bad_times(steps, message):
    model = compiled()
    with pytest.raises(ValueError, match=message):
        fit(model, progressive=steps)
    assert not ko.parametrization.parametrized_layers(model)
