"""The `.keras` file, compressed inside."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras

from kerasopt.exporters.aside import written_aside
from kerasopt.exporters.loading import warn_of_configs
from kerasopt.exporters.optimizer_state import copy_without, optimizer_names, zero_masked_slots

CONFIG = "config.json"
WEIGHTS = "model.weights.h5"


def save(model: keras.Model, path: str | os.PathLike, include_optimizer: bool = False) -> None:
    """Saves a model as a standard `.keras` file that is compressed inside.

    A `.keras` file is a zip archive, which Keras writes uncompressed, so zeros and repeated values
    take as much room as any. This function has Keras write the file and compresses its members
    with deflate. `keras.models.load_model` reads the result like any other `.keras` file, equal to
    the last bit (after `import kerasopt`, unless the model was finalized).

    The file is written aside, in the same directory, and renamed at the end: if saving fails, a
    file that was there before is still there, whole.

    Example:

    ```python
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    ko.save(model, "model.keras")
    same = keras.models.load_model("model.keras")
    ```

    Args:
        model: The `keras.Model` to save.
        path: String or `os.PathLike`, the file to write. It ends in `.keras`.
        include_optimizer: Boolean, whether the file also holds what training needs: how the model
            was compiled, and the optimizer's state. Slots of masked weights (momenta, averages)
            are then stored as zeros where the mask is zero. Without it the model loads uncompiled.

    Raises:
        TypeError: If `model` is not a Keras model.
        ValueError: If `path` does not end in `.keras`.
        FileNotFoundError: If the directory of `path` does not exist.
        IsADirectoryError: If `path` is a directory.

    Warns:
        UserWarning: If a layer cannot be created from its own config, so that the file will not
            load.
    """
    _check(model, path)
    warn_of_configs(model)
    with written_aside(path) as compressed:
        written = compressed.with_name("written.keras")
        model.save(written)
        _compress(written, compressed, model, include_optimizer)


def _check(model: Any, path: str | os.PathLike) -> None:
    if not isinstance(model, keras.Model):
        raise TypeError(
            "`model` must be a Keras model. "
            f"Received: model={model!r} (of type {type(model).__name__})"
        )
    if Path(path).suffix != ".keras":
        raise ValueError(
            f"`path` must end in `.keras`, the only format that this function writes. "
            f"Received: path={str(path)!r}"
        )


def _compress(source: Path, target: Path, model: keras.Model, include_optimizer: bool) -> None:
    """Copies the archive `source` to `target`, compressed."""
    with (
        zipfile.ZipFile(source) as archive,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as compressed,
    ):
        for member in archive.namelist():
            if member == CONFIG and not include_optimizer:
                config = _without_compile_config(json.loads(archive.read(member)))
                compressed.writestr(member, json.dumps(config))
            elif member == WEIGHTS:
                weights = Path(archive.extract(member, source.parent))
                compressed.write(_edited_weights(weights, model, include_optimizer), member)
            else:
                compressed.writestr(member, archive.read(member))


def _without_compile_config(config: Any) -> Any:
    """Removes every serialized object's `compile_config`, nested models' included."""
    if isinstance(config, dict):
        return {
            key: None if key == "compile_config" else _without_compile_config(value)
            for key, value in config.items()
        }
    if isinstance(config, list):
        return [_without_compile_config(value) for value in config]
    return config


def _edited_weights(weights: Path, model: keras.Model, include_optimizer: bool) -> Path:
    """Returns an HDF5 file with the optimizers' state removed, or zero under the masks."""
    if include_optimizer:
        with h5py.File(weights, "r+") as file:
            zero_masked_slots(file, model)
        return weights
    edited = weights.with_name("without_optimizer.h5")
    with h5py.File(weights, "r") as file, h5py.File(edited, "w") as copy:
        copy_without(file, copy, optimizer_names(model))
    return edited
