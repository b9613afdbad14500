import keras
import numpy as np
import pytest
import tensorflow as tf
from techniques import models

import kerasopt as ko
from kerasopt.sparsity import attach_masks, update_masks


def paths(targets):
    """Returns the paths of the members and of the followers of each target."""
    return [([str(w) for w in t.members], [str(w) for w in t.followers]) for t in targets]


def test_a_filter_takes_its_bias_and_its_batch_normalization_along():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(6, 3, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    model = keras.Model(inputs, keras.layers.Dense(4, name="classifier")(x))
    for weight in model.trainable_weights:
        weight.assign(np.random.default_rng(0).normal(1, 0.2, weight.shape))
    # The classifier's filters are the outputs: it stays.
    targets = attach_masks(model, "filter")
    assert paths(targets) == [(["conv/kernel"], ["conv/bias", "norm/gamma", "norm/beta"])]
    update_masks(targets, 0.5)
    kept = targets[0].live
    assert kept.sum() == 3
    outputs = keras.Model(inputs, model.get_layer("norm").output)(np.ones((1, 8, 8, 3)))
    outputs = keras.ops.convert_to_numpy(outputs)
    assert (outputs[..., ~kept] == 0).all() and (outputs[..., kept] != 0).all()


def test_filters_of_the_last_layer_go_only_where_a_rule_names_it():
    model = models.sequential()
    found = [member for members, _ in paths(attach_masks(model, "filter")) for member in members]
    assert found == [f"{model.layers[0].name}/kernel"]
    found = paths(attach_masks(models.sequential(), "filter", rules=[("*", True)]))
    assert len(found) == 2 and found[1][0][0].endswith("/kernel")


def test_a_head_is_a_part_of_four_kernels():
    inputs = keras.Input((5, 8))
    attention = keras.layers.MultiHeadAttention(4, 3, name="attention")
    model = keras.Model(inputs, attention(inputs, inputs))
    (target,) = attach_masks(model, "head")
    assert len(target.members) == 4 and len(target.followers) == 3
    assert target.size == 4 * 8 * 12
    update_masks([target], 0.5)
    assert target.live.sum() == 2
    query, *_, output = target.members
    np.testing.assert_array_equal(query.mask.any(axis=(0, 2)), target.live)
    np.testing.assert_array_equal(output.mask.any(axis=(1, 2)), target.live)
    assert all((weight.mask.all(axis=1) == target.live).all() for weight in target.followers)


def test_only_weights_with_groups_of_the_pattern_are_pruned():
    model = models.convolutional()
    found = {members[0] for members, _ in paths(attach_masks(model, "2:4"))}
    assert found == {
        "conv/kernel",
        "separable/pointwise_kernel",
        "transposed/kernel",
        "classifier/kernel",
    }


@pytest.mark.parametrize(
    "pattern, rules, message",
    [
        ("2:4", [("depthwise", True)], r"'2:4' does not fit 'depthwise/kernel'"),
        ("block16x1", (), r"matrix of 9x6.*smaller than a block of 16x1"),
        ("head", (), r"has nothing to prune.*pattern 'head'"),
        ("kernel", [("classifier", True)], r"'classifier/kernel' of shape \(6, 4\)"),
        ("4:2", (), "Received: pattern='4:2'"),
        ("row", (), "Received: pattern='row'"),
    ],
)
def test_patterns_that_do_not_fit_raise_and_leave_the_model_alone(pattern, rules, message):
    model = models.convolutional()
    classes = [type(layer) for layer in model.layers]
    with pytest.raises(ValueError, match=message):
        attach_masks(model, pattern, rules)
    assert [type(layer) for layer in model.layers] == classes


def test_a_loop_of_ones_own_prunes_without_callbacks():
    """The recipe of the guide to training loops."""
    model = models.sequential()
    optimizer = keras.optimizers.AdamW(0.01)
    x, y = np.ones((8, 6), "float32"), np.ones((8, 4), "float32")

    targets = attach_masks(model)
    schedule = ko.schedules.PolynomialDecay(0.0, 0.8, begin=1, end=4, frequency=1)

    @tf.function
    def train_step(x, y):
        with tf.GradientTape() as tape:
            loss = keras.losses.mean_squared_error(y, model(x, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    reached = []
    for step in range(7):
        train_step(x, y)
        if schedule.last_due(step) == step:
            update_masks(targets, schedule(step), scope="global")
        kernels = [keras.ops.convert_to_numpy(layer.kernel) for layer in targets_layers(targets)]
        reached.append(sum((kernel == 0).sum() for kernel in kernels) / 80)
    np.testing.assert_allclose(reached, [0, 0, 0.5625, 0.775, 0.8, 0.8, 0.8])
    ko.finalize(model, verbose=False)
    assert (
        sum((layer.kernel.numpy() == 0).sum() for layer in (model.layers[0], model.layers[3])) == 64
    )


def targets_layers(targets):
    return [weight.layer for target in targets for weight in target.members]
