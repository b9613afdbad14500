"""Widths that narrow in training."""

import keras
import numpy as np
import pytest
from techniques import models
from techniques.training import Kill, Killed, loss

import kerasopt as ko

STEPS = [(8, 3), (6, 6)]
OPTIONS = {"begin": 1, "freeze": 9, "progressive": STEPS}


def compiled(**arguments):
    keras.utils.set_random_seed(0)
    model = models.sequential()
    arguments = arguments or {"run_eagerly": keras.config.backend() == "tensorflow"}
    model.compile("adam", loss(), **arguments)
    return model


def fit(model, *callbacks, epochs=4, spec="int4", initial_epoch=0, **options):
    callbacks = [ko.callbacks.QuantizationAware(spec, **OPTIONS | options), *callbacks]
    options = {"epochs": epochs, "initial_epoch": initial_epoch, "verbose": 0}
    model.fit(models.Batches(model), callbacks=callbacks, **options)
    return model


def largest_code(model):
    """Returns the largest integer that stands for a weight of the model."""
    largest = 0
    for layer in ko.parametrization.parametrized_layers(model):
        for link in layer.parametrizations.get("kernel", ()):
            codes, _, _ = link.codes(layer.kernel.stored)
            largest = max(largest, float(keras.ops.max(keras.ops.abs(codes))))
    return largest


class Widths(keras.callbacks.Callback):
    """Records after each epoch of three updates the largest code, and the bits of an activation."""

    def __init__(self):
        super().__init__()
        self.codes, self.bits = [], []

    def on_epoch_end(self, epoch, logs=None):
        (activation,) = self.model.layers[0].parametrizations["input"]
        self.codes.append(largest_code(self.model))
        self.bits.append(activation.bits)


def test_each_width_has_its_time():
    seen = Widths()
    model = fit(compiled(), seen)
    # The width that an update brings is that of the next one.
    assert seen.codes == [31, 7, 7, 7]
    assert set(seen.bits) == {8}  # the spec has no fewer
    kernel = keras.ops.convert_to_numpy(model.layers[0].kernel)
    assert max(len(np.unique(channel)) for channel in kernel.T) <= 15


def test_learned_scales_have_it_too():
    seen = Widths()
    fit(compiled(), seen, weight_quantizer="lsq")
    assert 7 < seen.codes[0] <= 31 and max(seen.codes[1:]) <= 7


def test_compiled_steps_compute_with_the_width():
    outputs = []

    class Record(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            # As evaluated by the compiled function, which knows the format.
            outputs.append(self.model.evaluate(*models.data(self.model), verbose=0))
            fresh = float(self.model.loss(models.data(self.model)[1], self.model(x)))
            np.testing.assert_allclose(outputs[-1], fresh, rtol=1e-4)

    model = compiled(jit_compile=False)
    x = models.data(model)[0]
    fit(model, Record(), epochs=3, freeze=8)
    assert len(outputs) == 3


def test_activations_narrow_too():
    bits = ko.quantization.Format(4, symmetric=True), ko.quantization.Format(4)
    seen = Widths()
    fit(compiled(), seen, spec=ko.quantization.Spec(*bits))
    assert seen.bits == [6, 4, 4, 4]


@pytest.mark.parametrize("activation_quantizer", ["lsq", "pact"])
def test_ranges_of_activations_that_were_learned_stay(activation_quantizer):
    class Ranges(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            (link,) = self.model.layers[0].parametrizations["output"]
            scale, zero_point = (float(each) for each in link.affine())
            lowest, highest = link.format.minimum, link.format.maximum
            ranges.append([scale * (end - zero_point) for end in (lowest, highest)])

    ranges = []
    spec = ko.quantization.Spec(ko.quantization.Format(4, True), ko.quantization.Format(4))
    how = {"activation_quantizer": activation_quantizer, "learned_rate": 100.0}
    fit(compiled(), Ranges(), spec=spec, **how)
    for update in (2, 5):
        # But for the rounding of the zero point, and one update.
        np.testing.assert_allclose(ranges[update], ranges[update - 1], atol=0.25, rtol=0.25)
    assert abs(ranges[5][1] - ranges[0][1]) > 1e-3


@pytest.mark.parametrize("quantizer", ["minmax", "lsq"])
def test_a_fit_that_goes_on_settles_what_has_another_width(quantizer):
    model = fit(compiled(), epochs=1, weight_quantizer=quantizer, progressive=[(8, 9)])
    assert largest_code(model) > 31
    before = keras.ops.convert_to_numpy(model.layers[0].kernel.stored)
    fit(model, initial_epoch=1, weight_quantizer=quantizer, progressive=[(8, 3)])
    after = keras.ops.convert_to_numpy(model.layers[0].kernel)
    # Nothing is clamped to a range that belongs to another width.
    assert np.abs(after).max() > 0.6 * np.abs(before).max()
    assert largest_code(model) <= 7


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
    assert largest_code(loaded) == 31
    loaded.compile("adam", loss())
    assert largest_code(fit(loaded)) == 7


def test_complete_only_when_narrow():
    callback = ko.callbacks.QuantizationAware("int4", begin=1, progressive=[(8, 5)])
    assert callback.make_run().span(ko.schedules.Horizon(10, 5)) == (1, 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"progressive": 8}, r"list of pairs \(bits, until\).*Received: progressive=8"),
        ({"progressive": [8]}, r"list of pairs \(bits, until\).*Received: progressive=\[8\]"),
        ({"progressive": [(1, 5)]}, "from 2 to 16 bits"),
        ({"progressive": [(6, 3), (8, 6)]}, "wider integers first"),
        ({"progressive": [(8, "later")]}, "`progressive` must be a number of optimizer updates"),
        ({"progressive": [(4, 3)]}, "4 bits, but no spec has fewer"),
        ({"spec": "ternary", "progressive": [(8, 3)]}, "TernaryWeight supports only"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ko.callbacks.QuantizationAware(**{"spec": "int4"} | arguments)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([(8, 6), (6, 3)], "must have ascending times"),
        ([(8, 11)], "must end after `begin`, and not after `freeze`.*freeze=9"),
        ([(8, 1)], "must end after `begin`, which is update 1"),
    ],
)
def test_bad_times(steps, message):
    model = compiled()
    with pytest.raises(ValueError, match=message):
        fit(model, progressive=steps)
    assert not ko.parametrization.parametrized_layers(model)
