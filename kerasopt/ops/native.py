"""Loading of the native TensorFlow library behind `kerasopt.ops`.

The library is loaded at first use, only under the TensorFlow backend, and only with the TensorFlow
version that it was built for, since C++ symbols of TensorFlow change between releases. Without it
`kerasopt.ops` computes the same results in `keras.ops`, with one warning. The environment variable
`KERASOPT_NATIVE=0` disables the library without a warning.

A SavedModel with these ops (`kerasopt.export(..., ops="native")`) needs the library before it is
loaded, but not the Keras model or its code:

```python
import tensorflow as tf
from kerasopt.ops import native

ko.export(model, "folder", format="tf_saved_model")  # in one process

native.load()  # in another
model = tf.saved_model.load("folder")
```

The library depends only on TensorFlow. A process without Keras or kerasopt, or with a GPU, can call
`tf.load_op_library(path)` with the file at `LIBRARY_PATH`, or a copy of it.
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
# Written by the build next to the library, to be read without loading it.
VERSION_PATH = pathlib.Path(__file__).with_name("libkerasopt_ops.tensorflow_version")

INSTRUCTION_SETS = ("scalar", "avx2", "avxvnni", "avx512vnni", "neondot")

# A context variable, so that other threads keep the library.
_is_left_out = contextvars.ContextVar("is_left_out", default=False)


@contextlib.contextmanager
def left_out() -> Iterator[None]:
    """Make `kerasopt.ops` use only `keras.ops`, in this thread and inside the context.

    Functions that are traced inside, such as a `tf.function`, contain no native
    ops.
    """
    token = _is_left_out.set(True)
    try:
        yield
    finally:
        _is_left_out.reset(token)


def library_for(*tensors: Any) -> Any | None:
    """Return the native ops for these tensors, or None if the `keras.ops` form must run."""
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
        # The kernels run on the CPU; the keras.ops form avoids copies to and from the GPU.
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
        "quantization-aware training and integer inference are much slower. To build it, reinstall "
        "kerasopt with a C++ compiler and this TensorFlow installed: `pip install "
        "--force-reinstall --no-deps --no-cache-dir kerasopt`.",
    )
    return None


def _problem(tensorflow_version: str) -> str | None:
    """Return why the library cannot be loaded, without loading it."""
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
    """Make the ops release the weights of models that were garbage-collected.

    TensorFlow never frees the kernels of ops that ran eagerly. They refer to prepared weights, and
    otherwise check for stale ones only when they prepare others.
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
    """Multiply int8 vectors in registers at the peak speed of the instruction set in use.

    Args:
        steps: Integer, how often a fixed number of instructions is repeated.

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
