"""The names that the Python blocks of README, docs and docstrings find.

A block that is read in its place speaks of "the model" and "the images". Here they are as small as
they can be: a compiled classifier with depthwise and pointwise convolutions, 32 images.
"""

import keras
import numpy as np

import kerasopt as ko

IMAGE, CLASSES, EXAMPLES = (8, 8, 1), 3, 32

layers = keras.layers


def classifier(name: str) -> keras.Model:
    """Builds what a page calls `model`, `teacher` or `student`."""
    inputs = keras.Input(IMAGE, name="image")
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="stem")(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.Add()([x, layers.Conv2D(4, 1, activation="relu", name="pointwise")(y)])
    x = layers.Dense(8, "relu", name="dense")(layers.GlobalAveragePooling2D()(x) * 0.5)
    model = keras.Model(inputs, layers.Dense(CLASSES, name="classifier")(x), name=name)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"], run_eagerly=True)  # faster than tracing
    return model


def names(text: str) -> dict:
    """Returns a new namespace; its models are those that the text names, as building takes time."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(EXAMPLES, *IMAGE)).astype("float32")
    y = np.arange(EXAMPLES) % CLASSES
    data = ko.curriculum.CurriculumDataset(x, y, np.arange(EXAMPLES), batch_size=16)
    models = {name: classifier(name) for name in ("model", "teacher") if name in text}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return {
        "keras": keras,
        "np": np,
        "ko": ko,
        "kerasopt": ko,
        **models,
        "make_model": lambda: classifier("made"),
        "loss": loss,
        "loss_function": loss,
        "optimizer": keras.optimizers.Adam(),
        "schedule": ko.schedules.PolynomialDecay(0.0, 0.8, begin="0%", end="60%"),
        "data": data,
        **{f"x{part}": x for part in ("", "_train", "_val", "_test")},
        **{f"y{part}": y for part in ("", "_train", "_val", "_test")},
    }
