"""Compiles a TensorFlow function for a TPU that is not there.

These are internals of JAX, so its version is pinned in the `test` extra. Run in a process of its
own with the environment of `test_tpu.py`.
"""

from jax._src import compiler
from jax._src.interpreters import mlir
from jax._src.lib import xla_client
from jax.experimental import topologies
from jaxlib import _jax
from jaxlib.mlir import ir


def tpu_program(function, *inputs, topology="v5e:2x2"):
    """Return the optimized HLO text of a `tf.function(jit_compile=True)` on a TPU."""
    hlo = function.experimental_get_compiler_ir(*inputs)(stage="hlo_serialized")
    text = _jax.mlir.xla_computation_to_mlir_module(xla_client.XlaComputation(hlo))
    with mlir.make_ir_context():
        module = ir.Module.parse(text)
    device = topologies.get_topology_desc(platform="tpu", topology_name=topology).devices[0]
    options = compiler.get_compile_options(
        num_replicas=1, num_partitions=1, device_assignment=[[0]]
    )
    executable = device.client.compile(module, xla_client.DeviceList((device,)), options)
    return executable.hlo_modules()[0].to_string()
