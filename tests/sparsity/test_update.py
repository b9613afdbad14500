import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies as st

import kerasopt as ko
from kerasopt.sparsity import GlobalScope, LayerScope, Magnitude, Mask, criteria, update_masks


def pairs(*arrays):
    """Returns (weight, mask of ones) for each array."""
    return [
        (keras.Variable(np.asarray(a, "float32")), keras.Variable(np.ones(np.shape(a), bool)))
        for a in arrays
    ]


def masks(weights):
    return [mask.numpy() for _, mask in weights]


def test_the_smallest_magnitudes_go_first():
    weights = pairs([[-0.1, 3.0], [0.2, -4.0]])
    update_masks(weights, 0.5, Magnitude(), LayerScope())
    np.testing.assert_array_equal(masks(weights)[0], [[False, True], [False, True]])


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(
    st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4),
    st.sampled_from([LayerScope(), GlobalScope()]),
    st.integers(0, 2**32 - 1),
)
def test_sparsity_never_falls_and_is_exact(sparsities, scope, seed):
    generator = np.random.default_rng(seed)
    weights = pairs(generator.normal(size=(3, 5)), generator.normal(size=(4,)))
    reached = 0.0
    for sparsity in sparsities:
        before = masks(weights)
        update_masks(weights, sparsity, Magnitude(), scope)
        for old, new in zip(before, masks(weights), strict=True):
            assert not (new & ~old).any()
        reached = max(reached, sparsity)
        if isinstance(scope, GlobalScope):
            assert sum((~mask).sum() for mask in masks(weights)) == round(reached * 19)
        else:
            assert [(~mask).sum() for mask in masks(weights)] == [
                round(reached * 15),
                round(reached * 4),
            ]
        for weight, _ in weights:  # training moves what is stored, hidden or not
            weight.assign(generator.normal(size=weight.shape))


def test_a_hidden_weight_that_has_grown_stays_hidden():
    weights = pairs([0.1, 0.2, 0.3, 0.4])
    update_masks(weights, 0.25, Magnitude(), LayerScope())
    weights[0][0].assign([9.0, 0.2, 0.3, 0.4])
    update_masks(weights, 0.5, Magnitude(), LayerScope())
    np.testing.assert_array_equal(masks(weights)[0], [False, False, True, True])


def test_zeros_of_the_weight_count_before_others_and_are_not_more_than_asked_for():
    weights = pairs([0.0, 0.0, 0.0, 1.0])
    update_masks(weights, 0.5, Magnitude(), LayerScope())
    assert (~masks(weights)[0]).sum() == 2 and masks(weights)[0][3]


class Largest(criteria.Criterion):
    def __call__(self, weight):
        return 1 / (1 + np.abs(weight))


def test_a_users_own_criterion_decides():
    weights = pairs([1.0, 2.0, 3.0, 4.0])
    update_masks(weights, 0.25, criteria.get(Largest()), LayerScope())
    np.testing.assert_array_equal(masks(weights)[0], [True, True, True, False])


def test_criteria_are_resolved():
    assert isinstance(criteria.get("magnitude"), Magnitude)
    config = keras.saving.serialize_keras_object(Magnitude())
    assert isinstance(criteria.get(config), Magnitude)
    with pytest.raises(ValueError, match=r"\['magnitude'\]. Received: criterion='size'"):
        criteria.get("size")


def test_masked_variables_are_the_stored_weights_with_their_masks():
    layer = keras.layers.SeparableConv2D(2, 2)
    layer.build((None, 4, 4, 3))
    mask = Mask()
    ko.parametrize(layer, "pointwise_kernel", mask)
    ko.parametrize(layer, "output", ko.quantization.ActivationQuantizer())
    ((weight, variable),) = ko.sparsity.masked_variables(layer)
    assert weight is layer.trainable_variables[1] and variable is mask.mask


def test_nothing_infinite_comes_out_from_under_a_mask():
    layer = keras.layers.Dense(2, use_bias=False)
    layer.build((None, 2))
    mask = Mask()
    ko.parametrize(layer, "kernel", mask)
    layer.kernel.assign([[np.inf, 1.0], [np.nan, 2.0]])
    mask.mask.assign([[False, True], [False, True]])
    np.testing.assert_array_equal(layer(np.ones((1, 2))), [[0.0, 3.0]])
