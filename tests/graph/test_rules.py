import keras
import numpy as np
import pytest
from graph.models import Subclassed, nested, residual_cnn
from keras import layers

from kerasopt.graph import Rule, has_kernel, select
from kerasopt.graph import layers as list_layers


def selected(model, rules=(), default=None, eligible=has_kernel):
    return [
        (path, argument)
        for path, _, argument in select(list_layers(model), rules, default, eligible)
    ]


def test_the_default_holds_for_eligible_layers():
    assert selected(residual_cnn(), default=0.5) == [
        ("conv", 0.5),
        ("depthwise", 0.5),
        ("project", 0.5),
        ("classifier", 0.5),
    ]


def test_the_first_match_wins():
    rules = [
        ("classifier", None),
        (layers.DepthwiseConv2D, 0.3),
        (lambda layer: layer.name.startswith("d") and has_kernel(layer), 0.1),
        ("conv", 0.9),
    ]
    with pytest.warns(UserWarning, match="taken by earlier rules"):
        found = selected(residual_cnn(), rules, 0.5)
    assert found == [("conv", 0.9), ("depthwise", 0.3), ("project", 0.5)]


def test_a_final_star_ends_the_list(recwarn):
    assert selected(residual_cnn(), [("proj*t", 0.7), ("*", None)], 0.5) == [("project", 0.7)]
    assert not recwarn.list


def test_globs_match_names_and_paths():
    assert selected(nested(), [("inner/*", 0.2), ("*", None)]) == [
        ("inner/inner_input", 0.2),
        ("inner/dense", 0.2),
    ]
    assert selected(nested(), [("top", 0.2), ("*", None)]) == [("head/top", 0.2)]


def test_a_rule_reaches_layers_that_the_default_does_not():
    inputs = keras.Input((3,), dtype="int32")
    x = layers.Embedding(9, 4, name="embedding")(inputs)
    model = keras.Model(inputs, layers.Dense(2, name="dense")(x))
    assert selected(model, [(layers.Embedding, 0.2)], 0.5) == [("embedding", 0.2), ("dense", 0.5)]


def test_subclassed_models_are_selected_by_attribute():
    model = Subclassed()
    model(np.zeros((1, 3), "float32"))
    assert selected(model, [("blocks/*", 0.4), ("*last", None)], 0.5) == [
        ("blocks/0", 0.4),
        ("blocks/1", 0.4),
        ("heads/left", 0.5),
    ]


def test_a_rule_that_matches_nothing_warns_by_name():
    with pytest.warns(UserWarning, match=r"\('clasifier', None\) has no effect"):
        selected(residual_cnn(), [("clasifier", None)], 0.5)
    with pytest.warns(UserWarning, match=r"\(Embedding, 0.5\) has no effect"):
        selected(residual_cnn(), [(layers.Embedding, 0.5)], 0.5)


def test_rules_are_values():
    assert Rule("conv*", 0.5) == Rule("conv*", 0.5)
    with pytest.raises(AttributeError):
        Rule("conv*", 0.5).argument = 1


def test_bad_rules_raise():
    with pytest.raises(TypeError, match="Received: selector=3"):
        select([], [(3, 0.5)])
    with pytest.raises(TypeError, match="Received: rules item 'conv'"):
        select([], ["conv"])
    for rules in ({"conv": 0.5}, "conv", None, 0.5):
        with pytest.raises(TypeError, match="`rules` must be a list of pairs.*Received: rules="):
            select([], rules)
