"""Loading of the native TensorFlow library behind `kerasopt.ops`.

The library is loaded at first use, under the TensorFlow backend only, and only into the
TensorFlow that it was built against: C++ symbols of TensorFlow change between releases. Without
it `kerasopt.ops` computes the same results in `keras.ops`, and one warning says so. Environment
variable `KERASOPT_NATIVE=0` leaves the library unloaded without a warning.

A SavedModel with these ops (`kerasopt.export(..., ops="native")`) needs the library before it is
loaded, and neither Keras models nor the code that made them:

```python
import tensorflow as tf
from kerasopt.ops import native

ko.export(model, "folder", format="tf_saved_model")  # in one process

native.load()  # in another
model = tf.saved_model.load("folder")
```

The library needs nothing but TensorFlow. A process without Keras or kerasopt, or with a GPU, calls
`tf.load_op_library(path)` with the file that `LIBRARY_PATH` names here, or a copy of it.
"""

import contextlib
import contextvars
import ctypes
import functools
import gc
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import keras

from kerasopt.warning import warn

LIBRARY_PATH = pathlib.Path(__file__).with_name("libkerasopt_ops.so")
# Written by the build beside the library, so that it is read without loading the library.
VERSION_PATH = pathlib.Path(__file__).with_name("libkerasopt_ops.tensorflow_version")

INSTRUCTION_SETS = ("scalar", "avx2", "avxvnni", "avx512vnni", "neondot")

# Of a context, so that other threads keep the library.
_is_left_out = contextvars.ContextVar("is_left_out", default=False)


@contextlib.contextmanager
def left_out() -> Iterator[None]:
    """Have `kerasopt.ops` compute in `keras.ops` alone, in this thread and as long as it lasts.

    What is traced meanwhile, such as a `tf.function`, stays free of the native ops.
    """
    token = _is_left_out.set(True)
    try:
        yield
    finally:
        _is_left_out.reset(token)


def library_for(*tensors: Any) -> Any | None:
    """Return the native ops for these tensors, or None where the `keras.ops` form has to run."""
    if keras.backend.backend() != "tensorflow" or _is_left_out.get():
        return None
    if any(isinstance(tensor, keras.KerasTensor) for tensor in tensors):
        return None
    return load()


@functools.cache
def load() -> Any | None:
    """Load the library once; return its generated op functions, or None if it cannot be used."""
    if os.environ.get("KERASOPT_NATIVE") == "0":
        return None
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        # The kernels run on the CPU; the keras.ops form spares copies from and to the GPU.
        return None
    problem = _problem(tf.__version__)
    if problem is None:
        try:
            library = tf.load_op_library(str(LIBRARY_PATH))
        except (tf.errors.OpError, OSError) as error:
            problem = f"could not be loaded ({error})"
        else:
            _register_gradients(tf, library)
            _drop_weights_with_their_models()
            return library
    warn(
        f"kerasopt's native library {problem}. Results are the same without it, but "
        "quantization-aware training and integer inference are much slower. To get it, reinstall "
        "kerasopt with a C++ compiler and this TensorFlow at hand: "
        "`pip install --force-reinstall --no-deps --no-cache-dir kerasopt`.",
    )
    return None


def _problem(tensorflow_version: str) -> str | None:
    """Say why the library must not be opened, without opening it."""
    if not (LIBRARY_PATH.exists() and VERSION_PATH.exists()):
        return "was not built at installation, which needs a C++ compiler"
    built_for = VERSION_PATH.read_text().strip()
    if built_for != tensorflow_version:
        return f"was built for TensorFlow {built_for}, but {tensorflow_version} is running"
    return None


def _register_gradients(tf: Any, library: Any) -> None:
    @tf.RegisterGradient("KerasoptFakeQuantize")
    def _fake_quantize_gradient(op: Any, upstream: Any) -> tuple[Any, None, None]:
        dx = library.kerasopt_fake_quantize_grad(
            upstream, *op.inputs, qmin=op.get_attr("qmin"), qmax=op.get_attr("qmax")
        )
        return dx, None, None

    tf.no_gradient("KerasoptMinMax")
    tf.no_gradient("KerasoptQuantize")


def _drop_weights_with_their_models() -> None:
    """Let the ops drop the weights of models that Python collects.

    TensorFlow keeps the kernels of ops that ran eagerly for ever, and those refer to the weights
    that they prepared, which they otherwise look through only when they prepare others.
    """
    drop = ctypes.CDLL(str(LIBRARY_PATH)).KerasoptDropUnusedWeights

    def after_collection(phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and info["collected"]:
            drop()

    gc.callbacks.append(after_collection)


def select_instruction_set(name: str) -> bool:
    """Make the kernels use one of `INSTRUCTION_SETS`; return False if this CPU lacks it.

    The environment variable `KERASOPT_ISA` does the same for a process from its start.
    """
    select = _function("KerasoptSelectInstructionSet")
    select.argtypes, select.restype = [ctypes.c_char_p], ctypes.c_bool
    return bool(select(name.encode()))


def peak_products(steps: int) -> int:
    """Multiply int8 vectors in registers, as fast as the instruction set in use can.

    Args:
        steps: Integer, how often a fixed number of instructions runs.

    Returns:
        The number of products; 0 if the instruction set has no vectors.
    """
    products = _function("KerasoptPeakProducts")
    products.argtypes, products.restype = [ctypes.c_int64], ctypes.c_int64
    return int(products(steps))


def _function(name: str) -> Any:
    if load() is None:
        raise RuntimeError(f"The native library is not loaded, so `{name}` cannot be called.")
    return getattr(ctypes.CDLL(str(LIBRARY_PATH)), name)
