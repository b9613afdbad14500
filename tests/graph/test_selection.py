import warnings

import keras
import numpy as np
import pytest
from graph.models import Subclassed, nested, residual_cnn
from keras import layers

from kerasopt.graph import has_kernel, select, select_weights, weight_names
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
    with pytest.warns(UserWarning, match="earlier rules decide"):
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
    with pytest.warns(UserWarning, match=r"rule for 'clasifier' has no effect"):
        selected(residual_cnn(), [("clasifier", None)], 0.5)
    with pytest.warns(UserWarning, match=r"rule for Embedding has no effect"):
        selected(residual_cnn(), [(layers.Embedding, 0.5)], 0.5)


def test_a_rule_that_matches_nothing_tells_what_is_near():
    with pytest.warns(UserWarning, match=r"similar ones are 'classifier'"):
        selected(residual_cnn(), [("clasifier", None)], 0.5)


def test_a_star_at_the_end_may_find_nothing_left(recwarn):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="a")])
    assert selected(model, [("a", 0.5), ("*", None)]) == [("a", 0.5)]
    assert not recwarn.list
    with pytest.warns(UserWarning, match="earlier rules decide"):
        selected(model, [("a", 0.5), (layers.Dense, None)])


def lstm_and_dense():
    model = keras.Sequential(
        [keras.Input((4, 3)), layers.LSTM(2, name="lstm"), layers.Dense(2, name="dense")]
    )
    return list_layers(model)


def selected_weights(rules=(), default=0.5, **options):
    return {
        f"{path}/{name}": argument
        for path, _, argument, names in select_weights(
            lstm_and_dense(), weight_names, rules, default, **options
        )
        for name in names
    }


def test_rules_may_name_weights():
    assert selected_weights([("*/cell/recurrent_kernel", None), ("dense/bias", 0.1)]) == {
        "lstm/cell/kernel": 0.5,
        "dense/kernel": 0.5,
        "dense/bias": 0.1,
    }


@pytest.mark.parametrize(
    ("rules", "kernel"),
    [([("dense/kernel", 0.1), ("dense", 0.9)], 0.1), ([("dense", 0.9), ("dense/*l", 0.1)], 0.9)],
)
def test_the_first_rule_decides_for_each_weight(rules, kernel):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert selected_weights(rules)["dense/kernel"] == kernel


def test_a_rule_for_a_layer_does_not_reach_its_biases():
    for rule in ("dense", "dense*", "*", layers.Dense):
        assert "dense/bias" not in selected_weights([(rule, 0.3)])
    assert selected_weights([("*", None), ("dense/bias", 0.3)]) == {"dense/bias": 0.3}


def test_a_weight_that_there_is_not_warns():
    for rule in ("dense/gamma", "dens/bias", "input_layer"):
        with pytest.warns(UserWarning, match="has no effect"):
            selected_weights([(rule, 0.3)])


def test_where_only_layers_can_be_selected_a_weight_is_refused():
    with pytest.raises(ValueError, match=r"names a weight.*name the layer, 'dense'"):
        select(lstm_and_dense(), [("dense/bias", 0.5)], 0.5)


def test_the_default_does_not_hold_for_frozen_layers():
    model = residual_cnn()
    frozen = {id(model.get_layer("conv"))}
    with pytest.warns(UserWarning, match=r"Frozen layers.*Received: 1 such layers, \['conv'\]"):
        found = select(list_layers(model), [], 0.5, has_kernel, frozen)
    assert [path for path, *_ in found] == ["depthwise", "project", "classifier"]
    found = select(list_layers(model), [("conv", 0.2)], 0.5, has_kernel, frozen)
    assert found[0][::2] == ("conv", 0.2)
