import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies as st
from sparsity.masked_weights import dense_model

import kerasopt as ko
from kerasopt.sparsity import Mask, attach_masks, update_masks


def targets_of(*kernels, pattern="element"):
    """Returns the targets of a model of dense layers, which have the given kernels."""
    inputs = [keras.Input((len(kernel),)) for kernel in kernels]
    layers = [keras.layers.Dense(np.shape(kernel)[1]) for kernel in kernels]
    model = keras.Model(inputs, [layer(x) for layer, x in zip(layers, inputs, strict=True)])
    for layer, kernel in zip(layers, kernels, strict=True):
        layer.kernel.assign(kernel)
    return attach_masks(model, pattern)


def masks(targets):
    return [weight.mask for target in targets for weight in target.members]


def zeros(targets):
    return [int((~mask).sum()) for mask in masks(targets)]


def test_the_smallest_magnitudes_go_first():
    targets = targets_of([[-0.1, 3.0], [0.2, -4.0]])
    update_masks(targets, 0.5)
    np.testing.assert_array_equal(masks(targets)[0], [[False, True], [False, True]])


@hypothesis.settings(max_examples=20, deadline=None)
@hypothesis.given(
    st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4),
    st.sampled_from(["layer", "global", "erk", "lamp"]),
    st.integers(0, 2**32 - 1),
)
def test_sparsity_never_falls_and_is_exact(sparsities, scope, seed):
    generator = np.random.default_rng(seed)
    shapes = [(3, 5), (4, 1)]
    targets = targets_of(*(generator.normal(size=shape) for shape in shapes))
    reached = 0.0
    for sparsity in sparsities:
        before = masks(targets)
        update_masks(targets, sparsity, scope=scope)
        for old, new in zip(before, masks(targets), strict=True):
            assert not (new & ~old).any()
        reached = max(reached, sparsity)
        if scope == "layer":
            # Every layer keeps a weight.
            assert zeros(targets) == [min(round(reached * n), n - 1) for n in (15, 4)]
        else:
            assert sum(zeros(targets)) == round(reached * 19)
        for target in targets:  # training moves what is stored, hidden or not
            for weight in target.members:
                weight.stored.assign(generator.normal(size=weight.stored.shape))


def test_a_hidden_weight_that_has_grown_stays_hidden_unless_it_may_revive():
    targets = targets_of([[0.1], [0.2], [0.3], [0.4]])
    (stored,) = (weight.stored for weight in targets[0].members)
    update_masks(targets, 0.25)
    stored.assign([[9.0], [0.2], [0.3], [0.4]])
    update_masks(targets, 0.5)
    np.testing.assert_array_equal(masks(targets)[0].ravel(), [False, False, True, True])
    update_masks(targets, 0.5, revive=True)
    np.testing.assert_array_equal(masks(targets)[0].ravel(), [True, False, False, True])


def test_zeros_of_the_weight_count_before_others_and_are_not_more_than_asked_for():
    targets = targets_of([[0.0], [0.0], [0.0], [1.0]])
    update_masks(targets, 0.5)
    assert zeros(targets) == [2] and masks(targets)[0][3]


@pytest.mark.parametrize("pattern", ["block2x3", "channel", "filter"])
@pytest.mark.parametrize("scope", ["layer", "global"])
def test_groups_go_as_a_whole_and_sizes_need_not_divide(pattern, scope):
    generator = np.random.default_rng(0)
    targets = targets_of(generator.normal(size=(7, 5)), generator.normal(size=(4, 9)))
    for sparsity in (0.0, 0.3, 0.6, 0.999):
        update_masks(targets, sparsity, "l2", scope)
        for target in targets:
            (weight,) = target.members
            groups = [weight.grouping.split(part) for part in (weight.mask, weight.value)]
            assert (groups[0].any(axis=1) == target.live).all()
            assert weight.mask.sum() == (target.group_sizes * target.live).sum()
        assert all(target.live.any() for target in targets) or scope == "global"
        largest = max(np.max(target.group_sizes) for target in targets)
        if scope == "global":
            assert abs(sum(zeros(targets)) - sparsity * 71) < largest


def test_values_under_masks_do_not_decide_again():
    """Applying what holds already changes nothing, whatever has become of the scores."""
    generator = np.random.default_rng(1)
    targets = targets_of(
        generator.normal(size=(7, 5)), generator.normal(size=(4, 9)), pattern="block3x4"
    )
    for sparsity in (0.2, 0.4, 0.7):
        update_masks(targets, sparsity, scope="global")
        before = masks(targets)
        for target in targets:
            for weight in target.members:
                weight.stored.assign(generator.normal(size=weight.stored.shape))
        update_masks(targets, sparsity, scope="global")
        for old, new in zip(before, masks(targets), strict=True):
            np.testing.assert_array_equal(old, new)


def test_n_of_m_are_reached_step_by_step():
    targets = targets_of(np.arange(1.0, 9.0).reshape(8, 1), pattern="2:4")
    kept = []
    for sparsity in (0.0, 0.2, 0.5):
        update_masks(targets, sparsity)
        kept.append(masks(targets)[0].ravel().tolist())
    assert kept == [
        [True] * 8,
        [False, True, True, True] * 2,
        [False, False, True, True] * 2,
    ]


def test_a_users_own_criterion_decides():
    targets = targets_of([[1.0], [2.0], [3.0], [4.0]])
    update_masks(targets, 0.25, lambda weight: -np.abs(weight))
    np.testing.assert_array_equal(masks(targets)[0].ravel(), [True, True, True, False])


def test_masked_variables_are_the_stored_weights_with_their_masks():
    layer = keras.layers.SeparableConv2D(2, 2)
    layer.build((None, 4, 4, 3))
    mask = Mask()
    ko.parametrize(layer, "pointwise_kernel", mask)
    ko.parametrize(layer, "output", ko.quantization.ActivationQuantizer())
    ((weight, variable),) = ko.sparsity.masked_variables(layer)
    assert weight is layer.trainable_variables[1] and variable is mask.mask


@pytest.mark.parametrize("dense_gradient", [False, True])
def test_what_a_mask_hides_is_zero_and_gets_a_gradient_only_if_asked(dense_gradient):
    layer = keras.layers.Dense(2, use_bias=False)
    layer.build((None, 2))
    mask = Mask(dense_gradient=dense_gradient)
    ko.parametrize(layer, "kernel", mask)
    layer.kernel.assign([[5.0, 1.0], [7.0, 2.0]])
    mask.mask.assign([[False, True], [False, True]])
    model = keras.Sequential([keras.Input((2,)), layer])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    np.testing.assert_array_equal(layer(np.ones((1, 2))), [[0.0, 3.0]])
    model.train_on_batch(np.ones((1, 2)), np.zeros((1, 2)))
    # The first output is zero, as it should be: only a target of its own moves it.
    model.train_on_batch(np.ones((1, 2)), np.full((1, 2), 1.0))
    moved = keras.ops.convert_to_numpy(layer.kernel.stored)[:, 0] != [5.0, 7.0]
    assert moved.all() == dense_gradient and moved.any() == dense_gradient


@pytest.mark.parametrize("dense_gradient", [False, True])
def test_nothing_infinite_comes_out_from_under_a_mask(dense_gradient):
    layer = keras.layers.Dense(2, use_bias=False)
    layer.build((None, 2))
    mask = Mask(dense_gradient)
    ko.parametrize(layer, "kernel", mask)
    layer.kernel.assign([[np.inf, 1.0], [np.nan, 2.0]])
    mask.mask.assign([[False, True], [False, True]])
    np.testing.assert_array_equal(layer(np.ones((1, 2))), [[0.0, 3.0]])


@pytest.mark.parametrize("sparsity", [1.0, 1.5, -1, True, np.nan, "50%"])
def test_a_sparsity_that_is_none_raises(sparsity):
    targets = attach_masks(dense_model(3))
    for scope in ("layer", "global", "erk", "lamp"):
        with pytest.raises(ValueError, match="Received: sparsity="):
            update_masks(targets, sparsity, scope=scope)
    assert targets[0].live.all()


@pytest.mark.parametrize("targets", [[], None, "model"])
def test_targets_that_are_none_raise(targets):
    with pytest.raises(ValueError, match="returned by `kerasopt.sparsity.attach_masks`"):
        update_masks(targets, 0.5, scope="global")


def test_n_m_keeps_its_n():
    targets = attach_masks(dense_model(3, inputs=8), "2:4")
    with pytest.raises(ValueError, match="1 - N/M = 0.5.*final=0.8"):
        update_masks(targets, 0.8)
    with pytest.raises(ValueError, match="scope='layer'"):
        update_masks(targets, 0.5, scope="global")
    update_masks(targets, 0.25)
    assert targets[0].members[0].mask.mean() == 0.75


@pytest.mark.parametrize("model", ["model", None, keras.Sequential([keras.layers.Dense(3)])])
def test_a_model_that_is_none_raises(model):
    with pytest.raises((TypeError, ValueError), match="Received: model="):
        attach_masks(model)
