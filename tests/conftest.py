"""Which kerasopt the tests run against: the installed one."""

import gc
import os

import pytest

from kerasopt.ops import native

# Python puts the working directory first on the path of `python -c`. For the processes that tests
# start, that would be the source tree, which has no native library.
os.environ["PYTHONSAFEPATH"] = "1"


# Files with tests of a minute and more. They begin first: no worker waits for them at the end.
LONGEST = ("test_jax.py", "test_kernels.py", "test_quickstart.py", "test_mirrored.py")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_report_header():
    folder = native.LIBRARY_PATH.parents[1]
    library = "built" if native.LIBRARY_PATH.exists() else "NOT built"
    return f"kerasopt: {folder}, native library {library}"


@pytest.fixture(autouse=True, scope="module")
def collected():
    """Spares later tests the search for garbage in what TensorFlow keeps of earlier ones.

    After some hundred tests a collection takes seconds, and Keras asks for many.
    """
    yield
    gc.collect()
    gc.freeze()
