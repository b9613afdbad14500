import keras
import numpy as np
import pytest

from kerasopt.training.direction import metric_direction


def own_metric(y_true, y_pred):
    return keras.ops.mean(y_pred)


def evaluated(metrics):
    """Returns a model with an output for each key of `metrics`, after `evaluate`."""
    inputs = keras.Input((3,))
    outputs = {name: keras.layers.Dense(1, name=name)(inputs) for name in metrics}
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse", metrics=metrics, run_eagerly=True)
    x = np.eye(3, dtype="float32")
    logs = model.evaluate(x, {name: x[:, :1] for name in metrics}, verbose=0, return_dict=True)
    return model, logs


def test_keras_metrics_say_where_they_go():
    model, logs = evaluated({"y": ["accuracy", "mae", "r2_score"]})
    directions = {name: metric_direction(model, name) for name in logs}
    assert directions == {"accuracy": "max", "loss": "min", "mae": "min", "r2_score": "max"}


def test_the_metrics_of_an_output_are_known_by_their_own_names():
    model, logs = evaluated({"a": ["r2_score"], "b": ["mae"]})
    directions = {name: metric_direction(model, name) for name in logs}
    assert directions == {
        "a_loss": "min",
        "a_r2_score": "max",
        "b_loss": "min",
        "b_mae": "min",
        "loss": "min",
    }


def test_of_other_metrics_the_user_says_it():
    model, _ = evaluated({"y": [own_metric]})
    with pytest.raises(ValueError, match="unknown.* of the metric 'own_metric'.*: pass mode='max'"):
        metric_direction(model, "own_metric")
    assert metric_direction(model, "own_metric", "max") == "max"
    assert metric_direction(model, "own_metric", "min") == "min"
    with pytest.raises(ValueError, match=r"\['auto', 'min', 'max'\]. Received: mode='up'"):
        metric_direction(model, "own_metric", "up")
