"""All axes: what each choice along one has in common."""

import keras
import numpy as np
import pytest
from axes import AXES, all_axes

import kerasopt as ko
from kerasopt.curriculum.pacings import PACINGS
from kerasopt.distillation.losses import LOSSES
from kerasopt.quantization.activations import ACTIVATION_QUANTIZERS
from kerasopt.quantization.observers import OBSERVERS
from kerasopt.quantization.post_training.rounding import ROUNDINGS
from kerasopt.quantization.weights import WEIGHT_QUANTIZERS
from kerasopt.schedules import SCHEDULES
from kerasopt.sparsity.criteria import CRITERIA
from kerasopt.sparsity.patterns import PATTERNS
from kerasopt.sparsity.regrowth import REGROWTHS
from kerasopt.sparsity.scopes import SCOPES

ALIASES = [
    (axis, alias)
    for axis in all_axes()
    for alias, (choice, arguments) in axis.aliases.items()
    # Schedules have no defaults, and losses are made for an output.
    if arguments is not None and axis not in (SCHEDULES, LOSSES)
]


@pytest.mark.parametrize(
    "axis, alias", ALIASES, ids=[f"{axis.argument}-{alias}" for axis, alias in ALIASES]
)
def test_aliases_and_configs_are_resolved(axis, alias):
    choice = axis.get(alias)
    copy = axis.get(keras.saving.serialize_keras_object(choice))
    assert type(copy) is type(choice) is axis.aliases[alias][0]
    assert copy.get_config() | {"name": ""} == choice.get_config() | {"name": ""}
    assert axis.get(choice) is choice


@pytest.mark.parametrize("axis", all_axes())
def test_others_are_refused_with_the_aliases_that_there_are(axis):
    with pytest.raises(ValueError, match=f"Received: {axis.argument}='nonsense'") as error:
        axis.get("nonsense")
    assert all(repr(alias) in str(error.value) for alias in axis.aliases)


def test_classes_are_in_the_public_modules():
    for module, axes in AXES.items():
        for axis in axes:
            for name, choice in axis.classes.items():
                if choice.__module__.startswith("kerasopt") and hasattr(choice, "alias"):
                    assert getattr(module, name) is choice and name in module.__all__


def test_docstrings_have_the_aliases():
    arguments = {
        ko.callbacks.Curriculum: [PACINGS],
        ko.callbacks.Pruning: [CRITERIA, PATTERNS, REGROWTHS, SCOPES],
        ko.callbacks.QuantizationAware: [ACTIVATION_QUANTIZERS, OBSERVERS, WEIGHT_QUANTIZERS],
        ko.quantize: [ROUNDINGS],
    }
    for target, axes in arguments.items():
        for axis in axes:
            assert all(f'`"{alias}"`' in target.__doc__ for alias in axis.aliases)


@pytest.fixture
def largest():
    """A criterion that a user adds under an alias."""

    @ko.sparsity.criteria.register("largest", package="tests")
    class Largest(ko.sparsity.Criterion):
        def __call__(self, weight):
            return -np.abs(weight.value)

    yield Largest
    del CRITERIA.classes["Largest"], CRITERIA.aliases["largest"]


def test_a_choice_of_the_users_own(largest):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, use_bias=False)])
    model.layers[0].kernel.assign([[1.0], [-4.0], [2.0], [3.0]])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    pruning = ko.callbacks.Pruning(0.5, criterion="largest")
    model.fit(np.ones((4, 4)), np.ones((4, 1)), verbose=0, callbacks=[pruning])
    np.testing.assert_array_equal(model.layers[0].kernel.numpy().ravel(), [1, 0, 2, 0])
    with pytest.raises(ValueError, match="'largest'"):
        ko.callbacks.Pruning(0.5, criterion="smallest")
