"""The data of the examples: what the subset holds, and how the whole set is read."""

import gzip
import importlib.util
from pathlib import Path

import numpy as np
import pytest

DATA = Path(__file__).parents[2] / "examples" / "data"


@pytest.fixture
def fashion_mnist():
    spec = importlib.util.spec_from_file_location("fashion_mnist", DATA / "fashion_mnist.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_subset_is_balanced_and_disjoint(fashion_mnist):
    (x_train, y_train), (x_test, y_test) = fashion_mnist.load_subset()
    assert x_train.shape == (10000, 28, 28) and x_test.shape == (2000, 28, 28)
    assert x_train.dtype == y_train.dtype == np.uint8
    assert np.bincount(y_train).tolist() == [1000] * 10
    assert np.bincount(y_test).tolist() == [200] * 10
    assert len(np.unique(x_train, axis=0)) > 9950  # Fashion-MNIST itself has a few duplicates


def test_notice_is_beside_the_data():
    notice = (DATA / "LICENSE").read_text()
    assert "MIT License" in notice and "Zalando SE" in notice


def test_whole_set_is_read_from_idx_files(fashion_mnist, tmp_path):
    images = np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28)
    labels = np.array([3, 9], np.uint8)
    for part in ("train", "t10k"):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            content = gzip.compress(header + array.tobytes())
            (tmp_path / f"{part}-{kind}-ubyte.gz").write_bytes(content)
    for x, y in fashion_mnist.load_full(tmp_path):
        np.testing.assert_array_equal(x, images)
        np.testing.assert_array_equal(y, labels)


def test_missing_debian_package_is_named(fashion_mnist, tmp_path):
    with pytest.raises(FileNotFoundError, match="apt-get install dataset-fashion-mnist"):
        fashion_mnist.load_full(tmp_path / "missing")
