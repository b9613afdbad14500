"""Prunes and quantizes a model whose kernels lie on two devices, half on each; a script for JAX."""

import keras
import numpy as np

import kerasopt as ko
from kerasopt.sparsity import masked_variables


def main():
    mesh = keras.distribution.DeviceMesh((1, 2), ["batch", "model"])
    layout = keras.distribution.LayoutMap(mesh)
    layout[".*dense.*kernel"] = (None, "model")
    parallel = keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")
    keras.distribution.set_distribution(parallel)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, name="dense")])
    model.compile("adam", "mse")
    x = np.random.default_rng(0).normal(size=(16, 4))
    callbacks = [ko.callbacks.Pruning(0.5), ko.callbacks.QuantizationAware("int8")]
    model.fit(x, np.tile(x, 2), batch_size=8, epochs=2, verbose=0, callbacks=callbacks)
    ((kernel, mask),) = [(kernel.value, mask.value) for kernel, mask in masked_variables(model)]
    assert mask.sharding == kernel.sharding and not mask.is_fully_replicated
    assert np.mean(np.asarray(mask)) == 0.5
    print("masks lie where kernels do")


if __name__ == "__main__":
    main()
