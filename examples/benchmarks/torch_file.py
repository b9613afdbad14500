"""Reads the arrays of an old PyTorch file (before version 1.6) without PyTorch.

Such a file is a row of pickles: a magic number, the version of the protocol, facts of the machine,
the dictionary of tensors, and the keys of their storages, after which the storages follow as raw
bytes. Nothing of what a pickle names is called but the few functions here.
"""

import collections
import pickle
import struct

import numpy as np

_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
_TENSOR = ("torch._utils", "_rebuild_tensor_v2")


class _Reader(pickle.Unpickler):
    def __init__(self, file):
        super().__init__(file)
        self.dtypes = {}

    def find_class(self, module, name):
        if (module, name) == _TENSOR:
            return lambda storage, offset, shape, strides, *_: (storage, offset, shape, strides)
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"The file names {module}.{name}, which is no tensor.")

    def persistent_load(self, identifier):
        _, dtype, key, *_ = identifier
        self.dtypes[key] = dtype
        return key


def read_arrays(path):
    """Returns dict of name to array."""
    with open(path, "rb") as file:
        for _ in range(3):
            _Reader(file).load()
        reader = _Reader(file)
        tensors = reader.load()
        storages = {}
        for key in _Reader(file).load():
            (count,) = struct.unpack("<q", file.read(8))
            dtype = reader.dtypes[key]
            storages[key] = np.frombuffer(file.read(count * dtype.itemsize), dtype)
    return {name: _array(storages, *tensor) for name, tensor in tensors.items()}


def _array(storages, key, offset, shape, strides):
    storage = storages[key]
    steps = [step * storage.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps).copy()
