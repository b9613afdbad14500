"""Makes `fashion_mnist_subset.npz` from the Debian package `dataset-fashion-mnist`.

The subset has 1,000 training and 200 test images of each class, drawn without replacement with a
fixed seed and shuffled. Running this again writes the same arrays.
"""

import numpy as np
from fashion_mnist import CLASSES, SUBSET, Split, load_full

SEED = 20170825  # the day on which Fashion-MNIST was published
TRAIN_PER_CLASS = 1000
TEST_PER_CLASS = 200


def draw_balanced(split: Split, per_class: int, rng: np.random.Generator) -> Split:
    """Returns `per_class` examples of every class of `(images, labels)`, in random order."""
    images, labels = split
    picks = [
        rng.choice(np.flatnonzero(labels == label), per_class, replace=False)
        for label in range(CLASSES)
    ]
    order = rng.permutation(np.concatenate(picks))
    return images[order], labels[order]


def main() -> None:
    rng = np.random.default_rng(SEED)
    train, test = load_full()
    x_train, y_train = draw_balanced(train, TRAIN_PER_CLASS, rng)
    x_test, y_test = draw_balanced(test, TEST_PER_CLASS, rng)
    np.savez_compressed(SUBSET, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    print(f"{SUBSET}: {SUBSET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
