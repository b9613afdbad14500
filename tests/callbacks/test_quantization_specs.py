import itertools
import warnings

import keras
import numpy as np
import pytest
from techniques import models
from techniques.properties import kernels, read
from techniques.refusals import refused
from techniques.training import loss, predict

import kerasopt as ko
from kerasopt.parametrization import links_of, links_of_model
from kerasopt.quantization import (
    BinaryWeight,
    DynamicQuantizer,
    Format,
    MinMax,
    Quantizer,
    Spec,
    TernaryWeight,
)


def small():
    """As few layers as have a group to round at its end, and a kernel with no ReLU after it."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="conv_norm")(x)
    x = keras.layers.ReLU(name="conv_relu")(x)
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, keras.layers.Dense(4, name="classifier")(x), name="convolutional")


def make(name=None, traced=False):
    keras.utils.set_random_seed(0)
    model = small() if name is None else getattr(models, name)()
    # A few eager steps take a third of the time of tracing them, which some tests are about.
    eager = not traced and keras.config.backend() == "tensorflow"
    model.compile("adam", loss(), run_eagerly=eager)
    return model


def fit(model, *callbacks, epochs=2):
    return model.fit(models.Batches(model), epochs=epochs, verbose=0, callbacks=[*callbacks])


def links(model, slots=None):
    """Returns the quantizers of a model."""
    return [
        link
        for _, _, slot, link in links_of_model(model, Quantizer)
        if slots is None or slot in slots
    ]


# A spec of each kind; the others differ by what they leave out. The small ones are traced.
CASES = [(None, alias) for alias in ("int8_dynamic", "int16x8", "ternary", "bfloat16", "binary")]
CASES += [("convolutional", "int4"), ("convolutional", "binary")]
CASES += [("recurrent", "binary"), ("subclassed", "float16")]


@pytest.mark.parametrize("name, alias", CASES)
def test_every_spec_trains_saves_and_loads(name, alias, tmp_path):
    model = make(name, traced=name is None)
    before = [weight.numpy() for weight in model.trainable_weights]
    history = fit(model, ko.callbacks.QuantizationAware(alias, begin="20%"))
    assert np.isfinite(history.history["loss"]).all()
    assert links(model) and all(bool(link.enabled.value) for link in links(model))
    for old, new in zip(before, model.trainable_weights, strict=True):
        assert not np.array_equal(old, new.numpy()), new.path
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(predict(loaded), predict(model))
    fit(loaded, ko.callbacks.QuantizationAware(alias))
    assert len(links(loaded)) == len(links(model))


@pytest.mark.parametrize("alias", ["int8", "int4", "ternary", "binary", "bfloat16"])
def test_zeros_of_a_pruned_model_are_the_ones_before(alias):
    model = make()
    fit(model, ko.callbacks.Pruning(0.5))
    zeros = {path: read(*kernel) == 0 for path, kernel in kernels(model).items()}
    fit(model, ko.callbacks.QuantizationAware(alias))
    for path, kernel in kernels(model).items():
        assert (read(*kernel)[zeros[path]] == 0).all() and zeros[path].any()
    ko.finalize(model, verbose=False)
    for path, kernel in kernels(model).items():
        assert (read(*kernel)[zeros[path]] == 0).all()


@pytest.mark.parametrize(
    "alias, values", [("binary", 2), ("binary_int8", 2), ("ternary", 3), ("int4", 15)]
)
def test_a_channel_has_as_many_values_as_the_format(alias, values):
    model = make()
    fit(model, ko.callbacks.QuantizationAware(alias))
    for layer, name in kernels(model, keras.layers.Dense).values():
        columns = read(layer, name).T
        assert max(len(np.unique(column)) for column in columns) <= values


def test_rules_have_specs_of_their_own():
    model = make()
    rules = [("conv", Spec(Format(4, symmetric=True), granularity="tensor")), ("*", "int8_dynamic")]
    fit(model, ko.callbacks.QuantizationAware(rules=rules))
    (weight,) = links_of(model.get_layer("conv"), "kernel", Quantizer)
    assert weight.bits == 4 and weight.axis is None
    assert any(isinstance(link, DynamicQuantizer) for link in links(model))


def test_quantizers_and_observers_are_chosen():
    model = make()
    callback = ko.callbacks.QuantizationAware(
        "binary_int8", weight_quantizer=BinaryWeight(gradient="approximate"), observer="minmax"
    )
    fit(model, callback)
    found = links(model)
    assert {link.gradient for link in found if isinstance(link, BinaryWeight)} == {"approximate"}
    observers = {type(link.observer) for link in found if hasattr(link, "observer")}
    assert observers == {MinMax}


def test_specs_that_need_no_ranges_convert_to_weights_in_few_bits():
    model = make()
    fit(model, ko.callbacks.QuantizationAware("int8_weight_only"))
    held = ko.convert(model, "int8_weight_only")
    x = np.random.default_rng(0).normal(size=(4, *model.input_shape[1:])).astype("float32")
    np.testing.assert_allclose(held(x), model(x), atol=1e-5)  # sums in another order


def test_a_layer_that_is_quantized_in_another_way_raises_before_training():
    model = make()
    fit(model, ko.callbacks.QuantizationAware("int8"))
    with refused(model, r"'conv/kernel' is already quantized by Wei.*Received: Ternary"):
        fit(model, ko.callbacks.QuantizationAware("ternary"))
    with refused(model, r"by Act.*observer=MovingAverage\(.*Received: .*MinMax\(\)"):
        fit(model, ko.callbacks.QuantizationAware("int8", observer="minmax"))
    ko.finalize(model, verbose=False)
    fit(model, ko.callbacks.QuantizationAware("ternary"))
    assert any(isinstance(link, TernaryWeight) for link in links(model))


def test_signs_of_what_is_never_negative_are_told_of_before_training():
    model = make()
    with pytest.warns(UserWarning, match="all signs are equal.*Received: \\['conv_relu'"):
        fit(model, ko.callbacks.QuantizationAware("binary"))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Binary activations are")
        fit(make(), ko.callbacks.QuantizationAware("binary_int8"))


def test_activations_without_a_range_are_told_of_after_training():
    model = make()
    x, y = models.data(model)
    x[0] = np.nan
    with pytest.warns(UserWarning, match="activations of .* not finite.*'conv/input': \\(nan, nan"):
        model.fit(x, y, verbose=0, callbacks=[ko.callbacks.QuantizationAware("int8", begin=1)])


def test_groups_that_do_not_divide_raise_before_training():
    model = make()
    with refused(model, "Groups of 5 do not divide .* Received: granularity=5"):
        fit(model, ko.callbacks.QuantizationAware(Spec(granularity=5)))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"weight_quantizer": "xnor"}, r"'minmax'.*\]. Received: weight_quantizer='xnor'"),
        ({"activation_quantizer": "xnor"}, r"\]. Received: activation_quantizer='xnor'"),
        ({"observer": "largest"}, r"'percentile'\]. Received: observer='largest'"),
        ({"weight_quantizer": "ternary"}, "a symmetric `Format` of 2 bits. Received: format"),
        ({"rules": [("*", "binary")], "weight_quantizer": "minmax"}, "2 bits or more. Received"),
    ],
)
def test_arguments_out_of_range_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        ko.callbacks.QuantizationAware(**arguments)


@pytest.mark.parametrize("alias", ["percentile", "mse", "kl"])
def test_observers_that_count_find_the_range_once_when_rounding_begins(alias):
    model = make(traced=True)
    seen = []

    class Ranges(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            found = [link for link in links(self.model) if hasattr(link, "observer")]
            seen.append([float(link.observer.maximum) for link in found])

    fit(model, ko.callbacks.QuantizationAware(begin=3, freeze=6, observer=alias), Ranges())
    assert seen[0] != seen[1] and seen[2] == seen[3] == seen[-1]
    # What was found stays in a later training.
    fit(model, ko.callbacks.QuantizationAware(observer=alias), Ranges())
    assert seen[-1] == seen[2]


LEARNED = [("lsq", "lsq"), ("lsq", "pact"), ("minmax", "lsq")]


@pytest.mark.parametrize("weights, activations", LEARNED)
def test_learned_scales_are_trained_until_they_freeze(weights, activations):
    model = make(traced=activations == "pact")  # a learning rate of zero is part of the step
    seen = []

    class Learned(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            learned = [variable for link in links(self.model) for variable in link.learned]
            seen.append(np.concatenate([variable.numpy().ravel() for variable in learned]))

    callback = ko.callbacks.QuantizationAware(
        "int4", 2, 4, weight_quantizer=weights, activation_quantizer=activations
    )
    fit(model, callback, Learned())
    moved = [not np.array_equal(a, b) for a, b in itertools.pairwise(seen)]
    assert set(seen[0]) <= {0, 1} and moved == [True, True, True, False, False]
    assert type(model.optimizer) is keras.optimizers.Adam
    ko.finalize(model, verbose=False)
    fit(model)
    assert not links(model)


def test_learned_scales_have_a_learning_rate_of_their_own():
    steps = []
    for rate in (1.0, 0.1):
        model = make()
        model.compile(keras.optimizers.SGD(1.0), loss())
        callback = ko.callbacks.QuantizationAware("int4", weight_quantizer="lsq", learned_rate=rate)
        x, y = models.data(model)
        model.fit(x, y, batch_size=len(x), epochs=1, verbose=0, shuffle=False, callbacks=[callback])
        (link,) = links_of(model.get_layer("conv"), "kernel", Quantizer)
        steps.append(np.array(link.step.value()))
        start = link.step.unit.numpy()
    np.testing.assert_allclose(steps[1] - start, 0.1 * (steps[0] - start), rtol=1e-2, atol=1e-6)


def test_a_refused_fit_leaves_the_optimizer():
    model = make()
    fit(model)
    before = [variable.path for variable in model.optimizer.variables]
    with refused(model, "`begin` must not come after `freeze`"):
        fit(model, ko.callbacks.QuantizationAware("int4", 4, 2, weight_quantizer="lsq"))
    assert [variable.path for variable in model.optimizer.variables] == before
    assert type(model.optimizer) is keras.optimizers.Adam


def test_learned_scales_are_saved_and_resumed(tmp_path):
    def run(*callbacks):
        model = make(traced=True)
        how = {"weight_quantizer": "lsq", "activation_quantizer": "lsq"}
        backup = ko.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
        callbacks = [ko.callbacks.QuantizationAware("int4", 1, **how), backup, *callbacks]
        fit(model, *callbacks, epochs=3)
        return model

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Stop())
    resumed = run()
    (tmp_path / "backup").rename(tmp_path / "other")
    for a, b in zip(run().weights, resumed.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)
    resumed.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(predict(loaded), predict(resumed))
    for a, b in zip(loaded.optimizer.variables, resumed.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_a_negative_learned_rate_raises():
    with pytest.raises(ValueError, match="Received: learned_rate=-1"):
        ko.callbacks.QuantizationAware(learned_rate=-1)


def test_what_does_not_round_yet_is_not_converted():
    model = make()
    fit(model, ko.callbacks.QuantizationAware("int8", begin=10**6, freeze=10**7))
    with pytest.raises(ValueError, match="do not round yet.*'conv'"):
        ko.convert(model)
