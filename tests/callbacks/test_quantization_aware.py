import itertools

import keras
import numpy as np
import pytest
from techniques import models
from techniques.properties import assert_on_int8_grid, assert_ranges_seen, kernels
from techniques.refusals import refused
from techniques.technique_test_case import TechniqueTestCase
from techniques.training import loss

import kerasopt as ko
from kerasopt.parametrization import links_of_model


class TestQuantizationAware(TechniqueTestCase):
    rounds_activations = True

    def callbacks(self, model, data):
        return [ko.callbacks.QuantizationAware("int8", begin="50%")]

    def check(self, model):
        assert_on_int8_grid(kernels(model))
        assert_ranges_seen(model)


def fit(model, *callbacks, **kwargs):
    return model.fit(
        models.Batches(model), **{"epochs": 2, "verbose": 0} | kwargs, callbacks=[*callbacks]
    )


def make(name="sequential"):
    return TestQuantizationAware().make(name)


class States(keras.callbacks.Callback):
    """Notes what `look` returns of the model after every batch."""

    def __init__(self, look):
        super().__init__()
        self.look, self.seen = look, []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(self.look(self.model))


def quantizers(model):
    return [each.link for each in links_of_model(model)]


def ranges(model):
    observers = [link.observer for link in quantizers(model) if hasattr(link, "observer")]
    return [float(observer.maximum) for observer in observers]


def changes(values):
    """Returns whether each of `values` is another than the one before."""
    return [not np.array_equal(a, b) for a, b in itertools.pairwise(values)]


def test_until_begin_the_ranges_only_watch():
    plain, model = make(), make()
    keras.utils.set_random_seed(1)
    fit(plain, epochs=1)
    keras.utils.set_random_seed(1)
    fit(model, ko.callbacks.QuantizationAware(begin=3, freeze=3), epochs=1)
    for a, b in zip(plain.trainable_weights, model.trainable_weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_rounding_begins_when_it_is_due():
    model = make()
    states = States(lambda model: all(bool(link.enabled.numpy()) for link in quantizers(model)))
    fit(model, ko.callbacks.QuantizationAware(begin=2, freeze=4), states)
    assert states.seen == [False, True, True, True, True, True]


@pytest.mark.parametrize("eagerly", [True, False])
def test_ranges_and_statistics_freeze_and_weights_go_on(eagerly):
    model = make()
    model.run_eagerly = eagerly

    def look(model):
        (norm,) = [each for each in model.layers if "batch_norm" in each.name]
        return ranges(model), norm.moving_mean.numpy(), norm.gamma.numpy()

    states = States(look)
    fit(model, ko.callbacks.QuantizationAware(begin=0, freeze=3), states)
    seen, means, gammas = zip(*states.seen, strict=True)
    assert changes(seen) == changes(means) == [True, True, False, False, False]
    assert all(changes(gammas))
    before = look(model)[1]
    fit(model, epochs=1)
    assert not np.array_equal(look(model)[1], before)


def test_freezing_is_nothing_that_files_tell(tmp_path):
    model = make()
    trainable = [layer.trainable for layer in model.layers]

    class Save(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.save(tmp_path / "frozen.keras")

    fit(model, ko.callbacks.QuantizationAware(freeze=0), Save())
    loaded = keras.models.load_model(tmp_path / "frozen.keras")
    assert [layer.trainable for layer in loaded.layers] == trainable
    mean = loaded.layers[2].moving_mean.numpy()
    fit(loaded, epochs=1)
    assert not np.array_equal(mean, loaded.layers[2].moving_mean.numpy())


def test_rules_leave_layers_float():
    model = make("convolutional")
    fit(model, ko.callbacks.QuantizationAware(rules=[("conv", "int8"), ("*", None)]), epochs=1)
    parametrized = {
        layer.name for layer in model.layers if getattr(layer, "parametrizations", None)
    }
    assert parametrized == {"conv", "conv_relu"}


def test_layers_inside_a_subclassed_model_are_quantized():
    model = make("subclassed")
    fit(model, ko.callbacks.QuantizationAware(), epochs=1)
    for layer in (*model.blocks, model.heads["main"]):
        assert {"kernel", "output"} <= set(layer.parametrizations)
    rounded = {path for path, *_ in ko.parametrization.links_of_model(model)}
    assert {"add", "add_1"} <= rounded  # operations between them


@pytest.mark.parametrize("eagerly", [True, False])
def test_an_interruption_while_frozen_is_over_with_the_next_fit(eagerly):
    model = make()
    model.run_eagerly = eagerly

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(model, ko.callbacks.QuantizationAware(freeze=0), Stop())
    mean = model.layers[2].moving_mean.numpy()
    fit(model, ko.callbacks.QuantizationAware(), epochs=1)
    assert not np.array_equal(mean, model.layers[2].moving_mean.numpy())


def test_a_model_whose_call_has_no_training_argument_learns_ranges():
    class Silent(models.Subclassed):
        def call(self, inputs):
            return super().call(inputs)

    model = Silent()
    model(np.zeros((1, 6), "float32"))
    model.compile("adam", loss())
    fit(model, ko.callbacks.QuantizationAware(), epochs=1)
    assert_ranges_seen(model)
    before = ranges(model)
    model.evaluate(models.Batches(model), verbose=0)
    assert ranges(model) == before


def test_an_interruption_while_frozen_is_over_with_finalize():
    model = make()

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(model, ko.callbacks.QuantizationAware(freeze=0), Stop())
    ko.finalize(model, verbose=False)
    mean = model.layers[2].moving_mean.numpy()
    fit(model, epochs=1)
    assert not np.array_equal(mean, model.layers[2].moving_mean.numpy())


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"spec": "int3"}, r"'int8', .*\]. Received: spec='int3'"),
        ({"begin": "110%"}, "Received: begin='110%'"),
        ({"freeze": -1}, "Received: freeze=-1"),
        ({"rules": [("*", "int3")]}, "Received: spec='int3'"),
    ],
)
def test_arguments_out_of_range_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        ko.callbacks.QuantizationAware(**arguments)


@pytest.mark.parametrize("begin, freeze", [("90%", "10%"), (5, 1)])
def test_begin_after_freeze_raises_before_training(begin, freeze):
    model = make("convolutional")
    with refused(model, f"`begin` must not come after `freeze`.*begin={begin!r}"):
        fit(model, ko.callbacks.QuantizationAware(begin=begin, freeze=freeze))


def test_a_percentage_of_an_unknown_length_raises_before_training():
    model = make("nested")
    endless = itertools.cycle([models.data(model)])
    with refused(model, "Pass `steps_per_epoch`.*Received: freeze='90%'"):
        model.fit((b for b in endless), callbacks=[ko.callbacks.QuantizationAware(freeze="90%")])


def test_nothing_to_quantize_raises_before_training():
    model = make("nested")
    with refused(model, r"'nested' has nothing to quantize.*Received: rules for \['\*'\]"):
        fit(model, ko.callbacks.QuantizationAware(rules=[("*", None)]))


def test_overlapping_rules_raise_before_training():
    model = make("convolutional")
    with refused(model, r"QuantizationAware and QuantizationAware.*disjoint `rules`"):
        fit(model, ko.callbacks.QuantizationAware(), ko.callbacks.QuantizationAware())


def test_a_refused_fit_leaves_the_quantizers_of_an_earlier_one():
    model = make("convolutional")
    fit(model, ko.callbacks.QuantizationAware())
    with refused(model, "`begin` must not come after `freeze`"):
        fit(model, ko.callbacks.QuantizationAware(begin="90%", freeze="10%"))
    assert_ranges_seen(model)


def test_a_begin_that_never_comes_warns():
    with pytest.warns(UserWarning, match="cannot finish"):
        fit(make(), ko.callbacks.QuantizationAware(begin=100, freeze=100))


@pytest.mark.parametrize("argument", [None, "int8"])
def test_a_rule_that_names_a_weight_is_refused(argument):
    model = make("nested")
    with refused(model, "names a weight.*name the layer, 'head/dense'"):
        fit(model, ko.callbacks.QuantizationAware("int8", rules=[("head/dense/bias", argument)]))


def test_additions_in_a_frozen_part_stay_float():
    model = make("nested")
    model.get_layer("inner").trainable = False
    with pytest.warns(UserWarning, match=r"Frozen layers.*Received: 2 such layers"):
        fit(model, ko.callbacks.QuantizationAware("int8"))
    assert not [
        layer for layer in model.get_layer("inner").layers if hasattr(layer, "parametrizations")
    ]
    # What is quantized without training need not train.
    model = make("nested")
    model.trainable = False
    quantized = ko.quantize(model, "int8", calibration=np.ones((8, 6)), verbose=0)
    assert len(quantizers(quantized)) > 6
