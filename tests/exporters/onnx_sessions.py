"""Running ONNX files in onnxruntime, with its integer operators on every machine."""

import keras
import numpy as np
import onnxruntime


def session(path, optimized=None):
    options = onnxruntime.SessionOptions()
    # On x86 it would compute in float32 what reads int8 twice, or after something moved it.
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    options.log_severity_level = 3  # an optimized file is for this machine, it warns
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run_file(path, x):
    """Returns the outputs, in flat order."""
    running = session(path)
    names = [each.name for each in running.get_inputs()]
    arrays = map(np.asarray, keras.tree.flatten(x))
    return running.run(None, dict(zip(names, arrays, strict=True)))
