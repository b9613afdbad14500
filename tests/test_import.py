"""What `import kerasopt` loads, in processes of their own."""

import pytest
from processes import run, run_with_keras

# Not shown here is saving: for it Keras itself loads TensorFlow, whatever its backend.
IMPORT = """
import sys, time
import keras
begin = time.process_time()
import kerasopt as ko
seconds = time.process_time() - begin
maps = open("/proc/self/maps").read()
assert "libkerasopt_ops" not in maps, "the native library is loaded"
assert seconds < 1, f"{seconds} s"
assert set(ko.__all__) <= set(dir(ko))
"""

FIT_ON_JAX = """
import numpy as np
x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
model, teacher = (
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "relu"), keras.layers.Dense(2)])
    for _ in range(2)
)
model.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True))
callbacks = [
    ko.callbacks.Pruning(0.5),
    ko.callbacks.QuantizationAware(),
    ko.callbacks.Distillation(teacher),
    ko.callbacks.BackupAndRestore(sys.argv[1] + "/backup"),
]
model.fit(x, np.eye(2)[x.argmax(1) % 2], batch_size=4, epochs=2, verbose=0, callbacks=callbacks)
ko.summary(model)
ko.finalize(model, verbose=False)
assert (model.layers[0].kernel.numpy() == 0).sum() >= 4
"""

NO_TENSORFLOW = """
assert not [name for name in sys.modules if name.split(".")[0] == "tensorflow"]
"""


def test_under_tensorflow_it_is_light():
    run_with_keras(IMPORT)


def test_under_jax_tensorflow_is_never_loaded(tmp_path):
    code = IMPORT + NO_TENSORFLOW + FIT_ON_JAX + NO_TENSORFLOW
    run("-c", code, tmp_path, KERAS_BACKEND="jax")


@pytest.mark.parametrize("name", ["finalize", "convert", "save", "summary", "benchmark"])
def test_functions_are_not_shadowed_by_modules(name):
    import kerasopt

    assert callable(getattr(kerasopt, name))
