import hypothesis
import hypothesis.extra.numpy as hnp
import keras
import numpy as np
import pytest
from hypothesis import strategies as st

from kerasopt.sparsity import GlobalScope, LayerScope, scopes

# Few different values, so that most of them tie.
SCORES = hnp.arrays(
    "float32",
    hnp.array_shapes(max_dims=3, max_side=8),
    elements=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
)
SPARSITY = st.floats(0, 1, exclude_max=True)


def zeros(masks):
    return sum(int((~mask).sum()) for mask in masks)


@hypothesis.given(st.lists(SCORES, min_size=1, max_size=3), SPARSITY)
def test_layer_scope_prunes_exactly_its_share_of_each_weight(scores, sparsity):
    masks = LayerScope().masks(scores, sparsity)
    for mask, array in zip(masks, scores, strict=True):
        assert mask.shape == array.shape and mask.dtype == bool
        assert zeros([mask]) == round(sparsity * array.size)
        if mask.any() and not mask.all():
            assert array[~mask].max() <= array[mask].min()


@hypothesis.given(st.lists(SCORES, min_size=1, max_size=3), SPARSITY)
def test_global_scope_prunes_exactly_its_share_of_all(scores, sparsity):
    masks = GlobalScope().masks(scores, sparsity)
    assert [mask.shape for mask in masks] == [array.shape for array in scores]
    assert zeros(masks) == round(sparsity * sum(array.size for array in scores))
    pruned = np.concatenate([array[~mask] for array, mask in zip(scores, masks, strict=True)])
    kept = np.concatenate([array[mask] for array, mask in zip(scores, masks, strict=True)])
    if pruned.size and kept.size:
        assert pruned.max() <= kept.min()


@pytest.mark.parametrize("scope", [LayerScope(), GlobalScope()], ids=["layer", "global"])
@pytest.mark.parametrize("sparsity, expected", [(0.0, 0), (0.5, 500), (0.999, 999)])
def test_equal_scores_are_counted_not_compared(scope, sparsity, expected):
    assert zeros(scope.masks([np.ones((10, 100), "float32")], sparsity)) == expected


def test_the_scopes_differ_where_layers_do():
    scores = [np.arange(1.0, 11.0), np.arange(100.0, 110.0)]
    assert [zeros([mask]) for mask in LayerScope().masks(scores, 0.5)] == [5, 5]
    assert [zeros([mask]) for mask in GlobalScope().masks(scores, 0.5)] == [10, 0]


def test_get_resolves_aliases_configs_and_objects():
    scope = scopes.get("global")
    assert isinstance(scope, GlobalScope) and isinstance(scopes.get("layer"), LayerScope)
    assert scopes.get(scope) is scope
    config = keras.saving.serialize_keras_object(scope)
    assert isinstance(scopes.get(config), GlobalScope)
    with pytest.raises(ValueError, match=r"\['global', 'layer'\]. Received: scope='all'"):
        scopes.get("all")
