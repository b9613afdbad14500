"""Speed of integer inference on this CPU, beside what else is installed, in one run.

Everything is timed in this process, in interleaved rounds; figures are medians of the rounds, and
ratios are of medians of one round. Peers: LiteRT (comes with TensorFlow), onnxruntime and OpenVINO
where they are installed.

    python examples/benchmarks/inference.py dense --shapes 64,1024,1024 256,1024,4096
    python examples/benchmarks/inference.py dynamic --batches 1 8
    python examples/benchmarks/inference.py network MobileNetV2 --threads 2
"""

import argparse
import importlib.util
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

import kerasopt as ko
from kerasopt import ops

ROUNDS, SECONDS = 15, 0.2
CHAIN = 50  # layers of a chain: one call of a `tf.function` costs as much as some small kernels
OURS = "kerasopt"

Calls = dict[str, Callable[[], object]]


def compare(title: str, calls: Calls, unit: float, name: str) -> None:
    """Prints the median of each call divided by `unit`, and how many times ours is as fast."""
    seconds: dict[str, list[float]] = {peer: [] for peer in calls}
    for call in calls.values():
        call()
    for _ in range(ROUNDS):
        for peer, call in calls.items():
            seconds[peer].append(median_of(call))
    print(title)
    for peer, rounds in seconds.items():
        ratios = [theirs / ours for theirs, ours in zip(rounds, seconds[OURS], strict=True)]
        print(
            f"  {peer:24} {statistics.median(rounds) / unit:10.3f} {name}"
            f"   kerasopt is {statistics.median(ratios):.2f} times as fast"
        )


def median_of(call: Callable[[], object]) -> float:
    times, begin = [], time.perf_counter()
    while not times or time.perf_counter() - begin < SECONDS:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def dense(args: argparse.Namespace) -> None:
    """Times int8 matrix multiplications, rounded to int8 again."""
    for shape in args.shapes:
        rows, inputs, units = map(int, shape.split(","))
        rng = np.random.default_rng(0)
        x = rng.integers(-128, 128, (rows, inputs)).astype("int8")
        kernel = rng.integers(-127, 128, (inputs, units)).astype("int8")
        calls = {
            OURS: our_chain(x, kernel, args.chain),
            "TensorFlow float32": float_chain(x, kernel, args.chain),
        }
        if importlib.util.find_spec("onnxruntime"):
            calls["onnxruntime QLinearMatMul"] = onnx_chain(x, kernel, args.chain, args.threads)
        compare(f"{shape}, {args.chain} layers a call", calls, 1e-6 * args.chain, "us a layer")


def our_chain(x: np.ndarray, kernel: np.ndarray, chain: int) -> Callable[[], object]:
    units = kernel.shape[1]
    packed = ops.PackedWeights.pack(
        kernel, np.zeros(units, "int32"), np.full(units, 1e-4, "float32")
    )
    packed = packed._replace(values=tf.Variable(packed.values))
    inputs = [tf.Variable(np.roll(x, i)) for i in range(chain)]

    @tf.function
    def run():
        parts = [
            ops.quantized_matmul(each, packed, input_zero_point=3, output_zero_point=-5)
            for each in inputs
        ]
        return [part[0, 0] for part in parts]

    return run


def float_chain(x: np.ndarray, kernel: np.ndarray, chain: int) -> Callable[[], object]:
    weights = tf.Variable(kernel.astype("float32"))
    inputs = [tf.Variable(np.roll(x, i).astype("float32")) for i in range(chain)]

    @tf.function
    def run():
        return [tf.matmul(each, weights)[0, 0] for each in inputs]

    return run


def onnx_chain(x: np.ndarray, kernel: np.ndarray, chain: int, threads: int) -> Callable[[], object]:
    """uint8 rows and int8 weights, which onnxruntime is fastest with on x86."""
    from onnx import TensorProto, helper

    rows, units = len(x), kernel.shape[1]
    scalars = {"sx": 0.1, "sw": 0.01, "sy": 10.0}
    tensors = [helper.make_tensor(k, TensorProto.FLOAT, (), [v]) for k, v in scalars.items()]
    tensors += [helper.make_tensor("zx", TensorProto.UINT8, (), [131])]
    tensors += [helper.make_tensor("zw", TensorProto.INT8, (), [0])]
    tensors += [onnx_weights(kernel)]
    names = [f"x{i}" for i in range(chain)], [f"y{i}" for i in range(chain)]
    nodes = [
        helper.make_node("QLinearMatMul", [a, "sx", "zx", "w", "sw", "zw", "sy", "zx"], [b])
        for a, b in zip(*names, strict=True)
    ]
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.UINT8, (rows, size)) for name in side]
        for side, size in zip(names, (x.shape[1], units), strict=True)
    ]
    session = onnx_session(helper.make_graph(nodes, "dense", *ends, tensors), threads)
    feed = {name: (np.roll(x, i).view("uint8") ^ 128) for i, name in enumerate(names[0])}
    return lambda: session.run(None, feed)


def dynamic(args: argparse.Namespace) -> None:
    """Times a chain of dense layers 1024 x 1024 that round float rows as they come."""
    rng = np.random.default_rng(0)
    kernel = rng.integers(-127, 128, (1024, 1024)).astype("int8")
    floats = np.zeros(1024, "float32"), np.full(1024, 0.01, "float32")
    packed = ops.PackedWeights.pack(kernel, *floats, bias_dtype="float32")
    packed = packed._replace(values=tf.Variable(packed.values))

    @tf.function
    def run(x):
        for _ in range(args.chain):
            x = ops.dynamic_matmul(x, packed)
        return x

    for batch in args.batches:
        rows = rng.normal(size=(batch, 1024)).astype("float32")
        x = tf.constant(rows)
        calls: Calls = {OURS: lambda x=x: run(x)}
        if importlib.util.find_spec("onnxruntime"):
            session = dynamic_session(kernel, batch, args.chain, args.threads)
            calls["onnxruntime"] = lambda rows=rows, session=session: session.run(
                None, {"x0": rows}
            )
        compare(f"batch {batch}, {args.chain} layers", calls, 1e-6 * args.chain, "us a layer")


def dynamic_session(kernel: np.ndarray, batch: int, chain: int, threads: int):
    from onnx import TensorProto, helper

    nodes = []
    for i in range(chain):
        nodes += [
            helper.make_node("DynamicQuantizeLinear", [f"x{i}"], [f"q{i}", f"s{i}", f"z{i}"]),
            helper.make_node("MatMulInteger", [f"q{i}", "w", f"z{i}"], [f"i{i}"]),
            helper.make_node("Cast", [f"i{i}"], [f"f{i}"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"s{i}", "ws"], [f"m{i}"]),
            helper.make_node("Mul", [f"f{i}", f"m{i}"], [f"x{i + 1}"]),
        ]
    scales = helper.make_tensor("ws", TensorProto.FLOAT, (1024,), [0.01] * 1024)
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, (batch, 1024))]
        for name in ("x0", f"x{chain}")
    ]
    graph = helper.make_graph(nodes, "chain", *ends, [onnx_weights(kernel), scales])
    return onnx_session(graph, threads)


def onnx_weights(kernel: np.ndarray):
    from onnx import numpy_helper

    return numpy_helper.from_array(kernel, "w")


def onnx_session(graph, threads: int):
    import onnxruntime
    from onnx import helper

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def network(args: argparse.Namespace) -> None:
    """Times networks of `keras.applications`, with random weights, at batch 1."""
    for name in args.names:
        keras.utils.set_random_seed(0)
        model = getattr(keras.applications, name)(weights=None)
        x = np.random.default_rng(0).uniform(-1, 1, (4, *model.input_shape[1:])).astype("float32")
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.0  # so one batch gives it its statistics
        model(x, training=True)
        integers = ko.convert(ko.quantize(model, "int8", x, verbose=0))
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "model.tflite")
            ko.export(integers, path, io_dtype="int8")
            calls = {
                OURS: as_function(integers, x[:1]),
                "Keras float32": as_function(model, x[:1]),
                "LiteRT int8": litert(path, args.threads),
            }
            if importlib.util.find_spec("openvino"):
                calls["OpenVINO int8"] = openvino(path, x[:1].shape, args.threads)
        compare(f"{name}, batch 1", calls, 1e-3, "ms")


def as_function(model: keras.Model, x: np.ndarray) -> Callable[[], object]:
    run = tf.function(lambda x: model(x, training=False))
    x = tf.constant(x)
    return lambda: run(x)


def litert(path: pathlib.Path, threads: int) -> Callable[[], object]:
    interpreter = tf.lite.Interpreter(model_path=str(path), num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter.invoke


def openvino(path: pathlib.Path, shape: tuple, threads: int) -> Callable[[], object]:
    import openvino

    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(np.zeros(shape, "int8")))
    return request.infer


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("dense")
    command.add_argument("--shapes", nargs="+", default=["64,1024,1024", "256,1024,4096"])
    command.add_argument("--chain", type=int, default=8)
    command.set_defaults(run=dense)
    command = commands.add_parser("dynamic")
    command.add_argument("--batches", nargs="+", type=int, default=[1, 8])
    command.add_argument("--chain", type=int, default=CHAIN)
    command.set_defaults(run=dynamic)
    command = commands.add_parser("network")
    command.add_argument("names", nargs="+")
    command.set_defaults(run=network)
    for command in commands.choices.values():
        command.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    args.run(args)


if __name__ == "__main__":
    main()
