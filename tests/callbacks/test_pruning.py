import itertools

import h5py
import keras
import numpy as np
import pytest
from techniques import models
from techniques.properties import assert_sparse, kernels, masked, read
from techniques.refusals import refused
from techniques.technique_test_case import TechniqueTestCase

import kerasopt as ko


class TestPruning(TechniqueTestCase):
    sparsity = 0.5

    def callbacks(self, model, data):
        return [ko.callbacks.Pruning(ko.schedules.Linear(0.0, 0.5, end="80%"))]

    def check(self, model):
        assert_sparse(kernels(model), 0.5)


def fit(model, *callbacks, **kwargs):
    return model.fit(
        models.Batches(model), **{"epochs": 2, "verbose": 0} | kwargs, callbacks=[*callbacks]
    )


def make(name="sequential"):
    return TestPruning().make(name)


def zeros(model):
    return {path: float((read(*at) == 0).mean()) for path, at in kernels(model).items()}


class Sparsities(keras.callbacks.Callback):
    """Notes the fraction of zeros that every batch was computed with."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_begin(self, batch, logs=None):
        masks = [mask.numpy() for _, mask in ko.sparsity.masked_variables(self.model)]
        self.seen.append(1 - np.concatenate([mask.ravel() for mask in masks]).mean())


def test_a_global_scope_prunes_all_kernels_together():
    model = make("convolutional")
    model.get_layer("classifier").kernel.assign(np.full((6, 4), 1e-6))
    fit(model, ko.callbacks.Pruning(0.5, scope="global"))
    masks = [mask.numpy() for _, mask in ko.sparsity.masked_variables(model)]
    total = sum(mask.size for mask in masks)
    assert sum((~mask).sum() for mask in masks) == round(0.5 * total)
    assert zeros(model)["classifier/kernel"] == 1.0


def test_the_schedule_is_followed_and_caught_up():
    model = make()
    seen = Sparsities()
    fit(model, ko.callbacks.Pruning(ko.schedules.Linear(0.0, 0.5, begin=0, end=4)), seen)
    np.testing.assert_allclose(seen.seen, [0, 0.125, 0.25, 0.375, 0.5, 0.5], atol=0.02)


def test_rules_decide_in_order():
    model = make("convolutional")
    rules = [
        ("classifier", None),
        (keras.layers.DepthwiseConv2D, 0.25),
        (lambda layer: layer.name == "conv", ko.schedules.Constant(0.75)),
        ("class*", 0.1),
    ]
    with pytest.warns(UserWarning, match=r"rule for 'class\*' has no effect.*earlier rules decide"):
        fit(model, ko.callbacks.Pruning(0.5, rules=rules))
    found = zeros(model)
    assert found["classifier/kernel"] == 0
    assert found["conv/kernel"] == 122 / 162  # 121.5, rounded to even
    assert found["depthwise/kernel"] == round(0.25 * 54) / 54
    assert found["transposed/kernel"] == 0.5


def test_embeddings_are_pruned_where_a_rule_names_them():
    model = make("recurrent")
    fit(model, ko.callbacks.Pruning(0.5, rules=[("embedding", 0.25), ("*", None)]), epochs=1)
    ((weight, mask),) = ko.sparsity.masked_variables(model)
    assert weight.path == "embedding/embeddings" and mask.numpy().mean() == 0.75


def test_two_callbacks_share_a_model_with_disjoint_rules():
    model = make("convolutional")
    first = ko.callbacks.Pruning(0.5, rules=[("conv", 0.5), ("*", None)])
    second = ko.callbacks.Pruning(0.25, rules=[("transposed", 0.25), ("*", None)])
    fit(model, first, second, epochs=1)
    found = zeros(model)
    assert (found["conv/kernel"], found["transposed/kernel"]) == (0.5, 0.25)
    assert found["classifier/kernel"] == 0


def test_a_loaded_model_goes_on_where_it_was(tmp_path):
    model = make()
    fit(model, ko.callbacks.Pruning(0.5))
    model.save(tmp_path / "it.keras")
    loaded = keras.models.load_model(tmp_path / "it.keras")
    before = [mask.numpy() for _, mask in ko.sparsity.masked_variables(loaded)]
    fit(loaded, ko.callbacks.Pruning(0.75))
    after = [mask.numpy() for _, mask in ko.sparsity.masked_variables(loaded)]
    for old, new in zip(before, after, strict=True):
        assert (~new).sum() == round(0.75 * new.size) and not (new & ~old).any()


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, "much"])
def test_a_sparsity_outside_of_its_range_raises(sparsity):
    with pytest.raises(ValueError, match="Received: schedule="):
        ko.callbacks.Pruning(sparsity)
    if not isinstance(sparsity, str):
        with pytest.raises(ValueError, match="weights that are zero"):
            ko.callbacks.Pruning(0.5, rules=[("*", sparsity)])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"scope": "row"}, "Received: scope='row'"),
        ({"criterion": "l3"}, "Received: criterion='l3'"),
    ],
)
def test_unknown_names_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        ko.callbacks.Pruning(0.5, **arguments)


def test_begin_after_end_raises_before_training():
    model = make()
    schedule = ko.schedules.Linear(0.0, 0.5, begin="50%", end=2)
    with refused(model, r"`begin` must not come after `end`. Received: begin='50%', end=2"):
        fit(model, ko.callbacks.Pruning(schedule))
    fit(model, ko.callbacks.Pruning(0.5))


def test_a_percentage_of_an_endless_dataset_raises_before_training():
    model = make()
    endless = itertools.cycle([models.data(model)])
    with refused(model, "Pass `steps_per_epoch`.*Received: end='80%'"):
        model.fit((batch for batch in endless), callbacks=TestPruning().callbacks(model, None))


def test_nothing_to_prune_raises_before_training():
    model = make()
    with refused(model, r"'sequential' has nothing to prune.*Received: rules for \['\*'\]"):
        fit(model, ko.callbacks.Pruning(0.5, rules=[("*", None)]))
    plain = keras.Sequential([keras.Input((6,)), keras.layers.BatchNormalization()])
    plain.compile("sgd", "mse")
    with refused(plain, "has nothing to prune"):
        plain.fit(np.ones((4, 6)), np.ones((4, 6)), callbacks=[ko.callbacks.Pruning(0.5)])


def test_overlapping_rules_raise_before_training():
    model = make("convolutional")
    callbacks = [ko.callbacks.Pruning(0.5), ko.callbacks.Pruning(0.2, rules=[("dense", None)])]
    with (
        pytest.warns(UserWarning, match="has no effect"),
        refused(model, r"disjoint `rules`, each ending with.*Received: \['conv/kernel'"),
    ):
        fit(model, *callbacks)


def test_what_is_refused_later_takes_everything_off_again():
    model = make("convolutional")
    fit(model, epochs=1)
    model.predict(models.data(model)[0], verbose=0)
    quantization = ko.callbacks.QuantizationAware(begin="90%", freeze="10%")
    with refused(model, "`begin` must not come after `freeze`"):
        fit(model, ko.callbacks.Pruning(0.5), quantization)


def test_a_rule_without_a_match_warns():
    with pytest.warns(UserWarning, match=r"rule for 'dens' has no effect"):
        fit(make(), ko.callbacks.Pruning(0.5, rules=[("dens", 0.5)]), epochs=1)


def test_a_schedule_that_cannot_finish_warns_before_the_first_step():
    model = make()
    schedule = ko.schedules.PolynomialDecay(0.0, 0.5, begin=0, end=1000)

    class Stop(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="cannot finish"), pytest.raises(KeyboardInterrupt):
        fit(model, ko.callbacks.Pruning(schedule), Stop())


@pytest.mark.parametrize("scope", ["global", "erk", "lamp"])
@pytest.mark.parametrize("criterion", ["l2", "random", "saliency", "wanda", np.abs])
def test_every_criterion_reaches_the_sparsity_in_every_scope(scope, criterion):
    model = make()
    schedule = ko.schedules.Linear(0.0, 0.7, begin=1, end=4)
    fit(model, ko.callbacks.Pruning(schedule, scope, criterion))
    zeros, size = masked(model)
    assert zeros == round(0.7 * size)


def test_weights_that_moved_towards_zero_go_first_by_movement():
    model = make()
    seen = []

    class Kernel(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            seen.append(abs(keras.ops.convert_to_numpy(self.model.layers[0].kernel)))

    schedule = ko.schedules.OneShot(0.5, begin=5)
    model.optimizer.learning_rate = 1e-3
    fit(model, ko.callbacks.Pruning(schedule, criterion="movement"), Kernel())
    kept = seen[5] > 0
    grown = (seen[4] - seen[0])[kept].mean()
    assert grown > (seen[4] - seen[0])[~kept].mean()


def test_layers_without_a_rule_make_up_for_those_with_one():
    model = make("convolutional")
    rules = [("conv", 0.1), (keras.layers.DepthwiseConv2D, None)]
    fit(model, ko.callbacks.Pruning(0.5, scope="global", rules=rules))
    zeros, size = masked(model)
    assert zeros == round(0.5 * size)
    conv = model.get_layer("conv").parametrizations["kernel"][0].mask.numpy()
    assert (~conv).sum() == round(0.1 * conv.size)


def test_rules_that_leave_no_way_to_the_sparsity_of_all_raise_before_training():
    model = make()
    rules = [(lambda layer: layer is model.layers[0], 0.1)]
    with refused(model, r"would need a sparsity of 1\.\d+.*Received: final=0.8"):
        fit(model, ko.callbacks.Pruning(0.8, scope="global", rules=rules))


def test_a_criterion_that_gathers_has_nothing_to_prune_by_at_once():
    model = make()
    with refused(model, r"begins later, such as `OneShot\(0.5.*Received: criterion=Saliency"):
        fit(model, ko.callbacks.Pruning(0.5, criterion="saliency"))


@pytest.mark.parametrize("arguments", [{"criterion": "movement"}, {"regrowth": "rigl"}], ids=str)
def test_gradients_that_do_not_flow_raise_before_training(arguments):
    model = make()
    model.layers[0].trainable = False
    model.compile("adam", "mse", run_eagerly=model.run_eagerly)
    schedule = ko.schedules.OneShot(0.5, begin=1)
    with refused(model, r"1 weights have no gradient.*\('name', None\)|`\(name, None\)`"):
        fit(model, ko.callbacks.Pruning(schedule, rules=[("*", schedule)], **arguments))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"pattern": "2:4", "schedule": 0.6}, r"1 - N/M = 0.5.*final=0.6"),
        ({"pattern": "2:4", "scope": "global"}, "'2:4' gives every group the same.*scope="),
        ({"pattern": "1:4", "rules": [("*", 0.5)], "schedule": 0.75}, "0.75.*final=0.5"),
        ({"pattern": "5:4"}, "Received: pattern='5:4'"),
    ],
)
def test_arguments_that_contradict_each_other_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        ko.callbacks.Pruning(**{"schedule": 0.5} | arguments)


@pytest.mark.parametrize(
    "criterion, scope, message",
    [
        (lambda weight: weight[0], "layer", r"of shape \(6, 8\).*Received: criterion=<lambda>"),
        (lambda weight: weight * np.nan, "layer", "returned 48 NaN"),
        (lambda weight: -np.abs(weight), "lamp", "Scope 'lamp' compares squares"),
    ],
)
def test_scores_that_cannot_be_raise_before_training(criterion, scope, message):
    model = make()
    schedule = ko.schedules.OneShot(0.5, begin=3)
    with refused(model, message):
        fit(model, ko.callbacks.Pruning(schedule, scope, criterion))


def test_negative_scores_and_squares_contradict_each_other():
    with pytest.raises(ValueError, match="Scope 'lamp'.*Received: criterion=Movement"):
        ko.callbacks.Pruning(0.5, "lamp", "movement")


def test_latent_weights_are_not_rewound():
    schedule = ko.schedules.OneShot(0.5, begin=3)
    with pytest.raises(ValueError, match="Received: rewind='init', regrowth=StraightThrough"):
        ko.callbacks.Pruning(schedule, rewind="init", regrowth="straight_through")


@pytest.mark.parametrize("growth", ["set", "rigl", "straight_through"])
@pytest.mark.parametrize("pattern", ["filter", "head"])
def test_groups_that_get_no_gradient_cannot_grow_back(pattern, growth):
    with pytest.raises(ValueError, match=f"Received: pattern='{pattern}', regrowth="):
        ko.callbacks.Pruning(0.5, pattern=pattern, regrowth=growth)


def test_a_layer_that_is_pruned_away_warns_once():
    model = make("convolutional")
    model.get_layer("classifier").kernel.assign(np.full((6, 4), 1e-6))
    with pytest.warns(UserWarning, match="'classifier/kernel' is pruned completely") as warned:
        fit(model, ko.callbacks.Pruning(0.5, scope="global"))
    assert len([each for each in warned if "classifier" in str(each.message)]) == 1


OPTIMIZERS = {
    "AdamW with averages": lambda: keras.optimizers.AdamW(0.01, use_ema=True),
    "momentum": lambda: keras.optimizers.SGD(0.01, momentum=0.9, gradient_accumulation_steps=2),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_optimizer_in_a_file_is_as_sparse_as_the_weights(name, tmp_path):
    model = make()
    model.compile(OPTIMIZERS[name](), "mse", run_eagerly=model.run_eagerly)
    checkpoint = keras.callbacks.ModelCheckpoint(
        tmp_path / "{epoch}-{batch}.weights.h5", save_freq=1, save_weights_only=True
    )
    schedule = ko.schedules.Linear(0.0, 0.75, begin=0, end=1)
    x, _ = models.data(model)
    model.fit(
        x, x[:, :4], batch_size=4, epochs=2, verbose=0,
        callbacks=[ko.callbacks.Pruning(schedule), checkpoint],
    )  # fmt: skip
    paths = sorted(tmp_path.glob("2-*.h5"))
    assert len(paths) == 3
    for path in paths:
        with h5py.File(path) as file:
            arrays = [np.asarray(array) for array in file["optimizer/vars"].values()]
        for layer in model.layers:
            for array in arrays:
                if hasattr(layer, "kernel") and array.shape == layer.kernel.shape:
                    assert (array == 0).mean() >= 0.7, path


def test_a_rule_on_a_layer_without_kernels_warns():
    norm = lambda layer: isinstance(layer, keras.layers.BatchNormalization)  # noqa: E731
    with pytest.warns(UserWarning, match="has no effect"):
        fit(make(), ko.callbacks.Pruning(0.5, rules=[(norm, 0.9)]), epochs=1)


def test_layers_without_weights_are_warned_of():
    class Late(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.head = keras.layers.Dense(3), keras.layers.Dense(2)
            self.first.build((None, 3))

        def call(self, inputs):
            return self.head(self.first(inputs))

    model = Late()
    model.built = True
    with pytest.warns(UserWarning, match=r"not built yet.*Received: layers=\['head'\]"):
        assert len(ko.sparsity.attach_masks(model)) == 1


def test_another_optimizers_weights_are_pruned_in_no_order_and_a_warning_says_so():
    class Two(keras.Model):
        def train_step(self, data):
            import tensorflow as tf

            with tf.GradientTape() as tape:
                loss = keras.ops.mean(self(data[0], training=True) ** 2)
            weights = self.layers[-1].trainable_variables
            self.optimizer.apply(tape.gradient(loss, weights), weights)
            return {"loss": loss}

    inner = make()
    model = Two(inner.inputs, inner.outputs)
    model.compile("sgd", run_eagerly=True)
    schedule = ko.schedules.OneShot(0.5, begin=2)
    with pytest.warns(UserWarning, match=r"\['.*/kernel'\] have had no gradient"):
        fit(model, ko.callbacks.Pruning(schedule, criterion="saliency"))


def test_with_wanda_a_classifier_behind_pooling_competes_with_convolutions():
    model = make("convolutional")
    rules = [("separable", None)]
    schedule = ko.schedules.OneShot(0.5, begin=2)
    fit(model, ko.callbacks.Pruning(schedule, "global", "wanda", rules=rules))
    assert 0.1 < zeros(model)["classifier/kernel"] < 0.9
