"""Pruning guided by a metric, inside `fit`."""

import keras
import numpy as np
import pytest
from techniques import models
from techniques.properties import masked
from techniques.refusals import refused
from techniques.training import loss

import kerasopt as ko


def make(name="sequential"):
    keras.utils.set_random_seed(0)
    model = models.ZOO[name]()
    model.compile("adam", loss(), run_eagerly=keras.config.backend() == "tensorflow")
    return model


def fit(model, *callbacks, **kwargs):
    return model.fit(models.Batches(model), verbose=0, callbacks=[*callbacks], **kwargs)


def share(model):
    zeros, size = masked(model)
    return zeros / size


class Metric(keras.callbacks.Callback):
    """A metric that follows from the sparsity alone."""

    def __init__(self, metric):
        super().__init__()
        self.metric, self.sparsities, self.masks = metric, [], []

    def on_epoch_end(self, epoch, logs=None):
        self.sparsities.append(share(self.model))
        self.masks.append([mask.numpy() for _, mask in ko.sparsity.masked_variables(self.model)])
        logs["val_accuracy"] = self.metric(self.sparsities[-1])


def below(limit):
    return Metric(lambda sparsity: 0.9 if sparsity < limit else 0.5)


def test_a_budget_of_the_metric_finds_the_sparsity():
    model, metric = make(), below(0.55)
    guided = ko.sparsity.MetricGuided(budget=0.1, step=0.4, tolerance=0.1, mode="max")
    pruning = ko.callbacks.Pruning(guided, scope="global")
    fit(model, metric, pruning, epochs=7)
    np.testing.assert_allclose(metric.sparsities[:4], [0, 0.4, 0.8, 0.6], atol=0.01)
    zeros, size = masked(model)
    assert zeros == round(0.5 * size) and pruning.stage == 2


@pytest.mark.parametrize("growth", [None, ko.sparsity.StraightThrough("100%", frequency=2)])
def test_a_metric_guided_training_resumes_where_it_was(growth, tmp_path):
    def train(model, *callbacks):
        guided = ko.sparsity.MetricGuided(step=0.4, tolerance=0.1, mode="max")
        pruning = ko.callbacks.Pruning(guided, "global", regrowth=growth)
        fit(model, below(0.35), pruning, *callbacks, epochs=5)

    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                raise KeyboardInterrupt

    straight = make()
    train(straight)
    resumed = make()
    with pytest.raises(KeyboardInterrupt):
        train(resumed, ko.callbacks.BackupAndRestore(tmp_path / "backup"), Kill())
    train(resumed, ko.callbacks.BackupAndRestore(tmp_path / "backup"))
    assert masked(straight)[0] > 0
    for a, b in zip(straight.variables, resumed.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)


def test_a_search_goes_on_in_a_fit_that_continues():
    """The baseline stays that of the dense model."""
    model = make()

    def train(begin, end):
        guided = ko.sparsity.MetricGuided(budget=0.45, step=0.3, tolerance=0.1, mode="max")
        pruning = ko.callbacks.Pruning(guided, "global")
        metric = Metric(lambda sparsity: 1 - sparsity)
        fit(model, metric, pruning, initial_epoch=begin, epochs=end)

    with pytest.warns(UserWarning, match="ended before the metric-guided search"):
        train(0, 2)
    train(2, 8)
    assert 0.3 <= share(model) <= 0.45


def test_until_the_first_level_is_on_trial_only_rules_prune():
    model, metric = make("convolutional"), Metric(lambda sparsity: 0.9)
    guided = ko.sparsity.MetricGuided(
        begin=ko.epochs(3), step=0.25, tolerance=0.25, limit=0.25, mode="max"
    )
    rules = [("transposed", 0.75)]
    fit(model, metric, ko.callbacks.Pruning(guided, "global", rules=rules), epochs=5)
    ruled = model.get_layer("transposed").parametrizations["kernel"][0].mask.numpy()
    assert (~ruled).sum() == round(0.75 * ruled.size)
    for epoch, level in [(0, 0.0), (2, 0.0), (3, 0.25)]:
        sizes = [mask.size for mask in metric.masks[epoch]]
        pruned = sum(int((~mask).sum()) for mask in metric.masks[epoch]) - (~ruled).sum()
        assert pruned == round(level * (sum(sizes) - ruled.size))


def test_masks_that_are_there_stay_until_a_level_is_on_trial():
    model = make()
    fit(model, ko.callbacks.Pruning(0.6, scope="global"), epochs=1)
    before = [mask.numpy() for _, mask in ko.sparsity.masked_variables(model)]
    assert len({float(mask.mean()) for mask in before}) > 1
    metric = below(0.65)  # no level above the one that is there is within the budget
    guided = ko.sparsity.MetricGuided(step=0.2, tolerance=0.2, mode="max")
    fit(model, metric, ko.callbacks.Pruning(guided), epochs=4)
    assert metric.sparsities[1] > 0.65
    after = [mask.numpy() for _, mask in ko.sparsity.masked_variables(model)]
    for masks in (metric.masks[0], metric.masks[3], after):
        for old, new in zip(before, masks, strict=True):
            np.testing.assert_array_equal(old, new)


def test_two_searches_in_one_fit_raise_before_training():
    model = make("convolutional")
    callbacks = [
        ko.callbacks.Pruning(
            ko.sparsity.MetricGuided(), rules=[(lambda layer, name=name: layer.name != name, None)]
        )
        for name in ("conv", "transposed")
    ]
    with refused(model, "Only one callback of a `fit` can search"):
        fit(model, *callbacks)


def test_rules_that_leave_nothing_to_guide_raise_before_training():
    model = make()
    with refused(model, "The rules name every layer.*Received: schedule="):
        fit(model, ko.callbacks.Pruning(ko.sparsity.MetricGuided(), rules=[("*", 0.5)]))
