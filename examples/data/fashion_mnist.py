"""Fashion-MNIST for the examples: the subset beside this file, or the whole data set.

Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017, arXiv:1708.07747) has 28×28 grey images of ten kinds
of clothing. It is under the MIT licence; the notice is in `LICENSE` beside this file.
"""

import gzip
from pathlib import Path

import numpy as np

CLASSES = 10
SUBSET = Path(__file__).parent / "fashion_mnist_subset.npz"
DEBIAN_PACKAGE = "dataset-fashion-mnist"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")

Split = tuple[np.ndarray, np.ndarray]


def load_subset() -> tuple[Split, Split]:
    """Returns `(x_train, y_train), (x_test, y_test)`: 10,000 and 2,000 uint8 images and labels."""
    with np.load(SUBSET) as arrays:
        return (
            (arrays["x_train"], arrays["y_train"]),
            (arrays["x_test"], arrays["y_test"]),
        )


def load_full(folder: str | Path = DEBIAN_FOLDER) -> tuple[Split, Split]:
    """Returns the whole data set, 60,000 and 10,000 images, as the Debian package installs it.

    Args:
        folder: Folder of the four `*-ubyte.gz` files.

    Returns:
        `(x_train, y_train), (x_test, y_test)`, all uint8; images have shape `(n, 28, 28)`.

    Raises:
        FileNotFoundError: If the Debian package is not installed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"The whole Fashion-MNIST is read from the Debian package `{DEBIAN_PACKAGE}`: install "
            f"it (`apt-get install {DEBIAN_PACKAGE}`) or use the subset that comes with the "
            f"examples. Received: folder={str(folder)!r}, which does not exist."
        )
    return _read_split(folder, "train"), _read_split(folder, "t10k")


def _read_split(folder: Path, part: str) -> Split:
    images = _read_idx(folder / f"{part}-images-idx3-ubyte.gz")
    labels = _read_idx(folder / f"{part}-labels-idx1-ubyte.gz")
    return images, labels


def _read_idx(path: Path) -> np.ndarray:
    """Reads the IDX format: two zero bytes, type code, rank, big-endian dimensions, the data."""
    content = gzip.decompress(path.read_bytes())
    rank = content[3]
    shape = np.frombuffer(content, ">u4", count=rank, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)
