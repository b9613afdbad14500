import keras
import numpy as np
import pytest

from kerasopt.graph import KernelLayout
from kerasopt.sparsity import GlobalScope, patterns

DENSE = KernelLayout((), (0,), (1,))
CONVOLUTION = KernelLayout((0, 1), (2,), (3,))
TRANSPOSED = KernelLayout((0, 1), (3,), (2,))
DEPTHWISE = KernelLayout((0, 1), (2,), (2, 3))
BIAS = KernelLayout((), (), (0,))
QUERY = KernelLayout((), (0,), (1, 2))
OUTPUT = KernelLayout((), (0, 1), (2,))
HEADS_BIAS = KernelLayout((), (), (0, 1))


def group(alias, shape, layout, index):
    """Returns the values of one group of an array that counts its elements."""
    array = np.arange(1, np.prod(shape) + 1).reshape(shape)
    values = patterns.get(alias).grouping(shape, layout).split(array)[index]
    return array, values[values != 0]


@pytest.mark.parametrize(
    "alias, shape, layout, count, last",
    [
        ("element", (2, 3, 4, 5), CONVOLUTION, 120, np.s_[1, 2, 3, 4]),
        ("kernel", (2, 3, 4, 5), CONVOLUTION, 20, np.s_[:, :, 3, 4]),
        ("kernel", (2, 3, 5, 4), TRANSPOSED, 20, np.s_[:, :, 4, 3]),
        ("kernel", (2, 3, 4, 2), DEPTHWISE, 8, np.s_[:, :, 3, 1]),
        ("filter", (2, 3, 4, 5), CONVOLUTION, 5, np.s_[..., 4]),
        ("filter", (2, 3, 5, 4), TRANSPOSED, 5, np.s_[:, :, 4]),
        ("filter", (2, 3, 4, 2), DEPTHWISE, 8, np.s_[:, :, 3, 1]),
        ("filter", (4, 5), DENSE, 5, np.s_[:, 4]),
        ("filter", (5,), BIAS, 5, np.s_[4]),
        ("filter", (3, 2, 4), QUERY, 8, np.s_[:, 1, 3]),
        ("channel", (2, 3, 4, 5), CONVOLUTION, 4, np.s_[:, :, 3]),
        ("channel", (2, 3, 5, 4), TRANSPOSED, 4, np.s_[..., 3]),
        ("channel", (2, 3, 4, 2), DEPTHWISE, 4, np.s_[:, :, 3]),
        ("channel", (4, 5), DENSE, 4, np.s_[3]),
        ("head", (3, 2, 4), QUERY, 2, np.s_[:, 1]),
        ("head", (2, 4, 3), OUTPUT, 2, np.s_[1]),
        ("head", (2, 4), HEADS_BIAS, 2, np.s_[1]),
        ("2:4", (8, 5), DENSE, 10, np.s_[4:, 4]),
        ("block4x1", (8, 5), DENSE, 10, np.s_[4:, 4]),
        ("block4x1", (9, 5), DENSE, 15, np.s_[8, 4]),
        ("block2x3", (8, 5), DENSE, 8, np.s_[6:, 3:]),
        ("block4x1", (2, 3, 4, 5), CONVOLUTION, 30, np.s_[1, 2, :, 4]),
        ("block4x1", (2, 3, 5, 4), TRANSPOSED, 30, np.s_[1, 2, 4]),
        ("block8x1", (2, 3, 4, 5), CONVOLUTION, 15, np.s_[1, 1:, :, 4]),
        ("block3x2", (2, 3, 4, 2), DEPTHWISE, 8, np.s_[1, :, 3]),
        ("block4x4", (2, 2, 4), OUTPUT, 1, np.s_[...]),
    ],
)
def test_the_groups_of(alias, shape, layout, count, last):
    patterns.get(alias).check("layer/weight", shape, layout)
    assert patterns.get(alias).grouping(shape, layout).count == count
    array, values = group(alias, shape, layout, -1)
    assert sorted(values) == sorted(array[last].ravel())


@pytest.mark.parametrize(
    "alias, shape, layout, lacks",
    [
        ("kernel", (4, 5), DENSE, "no spatial axes"),
        ("kernel", (5,), BIAS, "no spatial axes"),
        ("channel", (5,), BIAS, "no axis of input channels"),
        ("2:4", (3, 3, 8, 1), DEPTHWISE, "no axis of input channels that the layer sums over"),
        ("block1x1", (5,), BIAS, "no spatial axes and no input channels"),
        ("head", (4, 5), DENSE, "no axis of heads"),
        ("head", (3, 3, 8, 1), DEPTHWISE, "no axis of heads"),
    ],
)
def test_a_weight_without_the_axes_is_left_out_or_refused(alias, shape, layout, lacks):
    pattern = patterns.get(alias)
    assert not pattern.applies(shape, layout)
    with pytest.raises(ValueError, match=f"'layer/weight' of shape .*{lacks}.*pattern='{alias}'"):
        pattern.check("layer/weight", shape, layout)


@pytest.mark.parametrize("alias, size", [("block5x1", "5x1"), ("block1x4", "1x4")])
def test_a_block_larger_than_the_kernel_is_refused(alias, size):
    pattern = patterns.get(alias)
    assert pattern.applies((4, 3), DENSE)
    with pytest.raises(ValueError, match=f"matrix of 4x3 .*smaller than a block of {size}"):
        pattern.check("layer/kernel", (4, 3), DENSE)


def test_any_sparsity_and_scope_will_do_where_the_pattern_prescribes_none():
    for alias in ("element", "block4x1", "kernel", "filter", "channel", "head"):
        patterns.get(alias).check_sparsity(0.83, GlobalScope())


@pytest.mark.parametrize(
    "alias", ["element", "kernel", "filter", "channel", "head", "2:4", "block4x1", "block16x16"]
)
def test_aliases_and_configs(alias):
    pattern = patterns.get(alias)
    assert pattern.alias == alias and patterns.get(pattern) is pattern
    again = patterns.get(keras.saving.serialize_keras_object(pattern))
    assert type(again) is type(pattern) and again.get_config() == pattern.get_config()


@pytest.mark.parametrize(
    "alias",
    ["elements", "2:4:8", "2/4", "-1:4", " 2:4", "block4", "block4x", "block0x1", "block4x-1", ""],
)
def test_other_strings_are_refused_with_the_forms_there_are(alias):
    with pytest.raises(ValueError, match="('N:M', 'blockRxC'|one row).* Received: pattern"):
        patterns.get(alias)


def test_other_objects_are_refused():
    with pytest.raises(ValueError, match="'N:M'.*Received: pattern=4"):
        patterns.get(4)
