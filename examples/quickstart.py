"""Compresses an image classifier while it trains, and compares it with the uncompressed one.

A depthwise-separable CNN learns Fashion-MNIST three times over: as a wider teacher, by itself as
the baseline, and, from the baseline's initial weights and for as many updates, in one `fit` that
runs a curriculum, prunes 75 % of the weights, trains for int8 and imitates the teacher. The result
is exported to LiteRT, and compared with the file.

    python examples/quickstart.py            # 10,000 images that come with the examples
    python examples/quickstart.py --full     # all 60,000, where the Debian package is installed
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path

import keras
from data import fashion_mnist

import kerasopt as ko

EPOCHS = 10
TEACHER_EPOCHS = 6
BATCH_SIZE = 64
LEARNING_RATE = 3e-3
SPARSITY = 0.75

layers = keras.layers


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="train on all 60,000 images")
    parser.add_argument("--seed", type=int, default=0, help="random seed")
    parser.add_argument(
        "--output", type=Path, default=Path("quickstart_output"), help="folder for models and logs"
    )
    return parser.parse_args()


def load_data(full: bool):
    """Returns `(x, y)` for training and for testing, images as float32 in [0, 1]."""
    splits = fashion_mnist.load_full() if full else fashion_mnist.load_subset()
    return [(x[..., None].astype("float32") / 255, y.astype("int32")) for x, y in splits]


def convolve(x, layer):
    """Applies a convolution without bias, batch normalization and ReLU."""
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(layer(x)))


def separable(x, filters: int, strides: int = 1):
    """Applies a depthwise convolution, then a pointwise one."""
    x = convolve(x, layers.DepthwiseConv2D(3, strides, padding="same", use_bias=False))
    return convolve(x, layers.Conv2D(filters, 1, use_bias=False))


def make_cnn(name: str, width: int = 64) -> keras.Model:
    """Builds a residual depthwise-separable CNN that returns logits; 114,986 parameters."""
    inputs = keras.Input((28, 28, 1), name="image")
    x = convolve(inputs, layers.Conv2D(width // 2, 3, 2, padding="same", use_bias=False))
    x = convolve(x, layers.Conv2D(width, 3, 2, padding="same", use_bias=False))
    x = layers.Add()([x, separable(x, width)])
    x = separable(x, 4 * width, strides=2)
    x = layers.Add()([x, separable(x, 4 * width)])
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(fashion_mnist.CLASSES, name="logits")(x)
    return keras.Model(inputs, outputs, name=name)


def compile_for(model: keras.Model, epochs: int, examples: int) -> None:
    updates = epochs * -(-examples // BATCH_SIZE)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, updates)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )


def train(model: keras.Model, data, epochs: int) -> None:
    x, y = data
    print(f"\nTraining the {model.name}: {model.count_params():,} parameters, {epochs} epochs")
    compile_for(model, epochs, len(x))
    model.fit(x, y, batch_size=BATCH_SIZE, epochs=epochs)


def train_compressed(model: keras.Model, teacher: keras.Model, data, logs: Path, seed: int) -> None:
    x, y = data
    print("\nScoring the images for the curriculum by the teacher's loss")
    scores = ko.curriculum.loss_scores(teacher, x, y)
    dataset = ko.curriculum.CurriculumDataset(x, y, scores, batch_size=BATCH_SIZE, seed=seed)
    print(f"\nTraining and compressing the {model.name}, {EPOCHS} epochs")
    compile_for(model, EPOCHS, len(x))
    model.fit(
        dataset,
        epochs=EPOCHS,
        callbacks=[
            ko.callbacks.Curriculum(dataset, pacing="root", end="20%"),
            ko.callbacks.Pruning(
                ko.schedules.PolynomialDecay(0.0, SPARSITY, begin="0%", end="45%"),
                scope="lamp",
            ),
            ko.callbacks.QuantizationAware("int8", begin="65%", freeze="80%"),
            ko.callbacks.Distillation(teacher, temperature=4.0, alpha=0.9),
            ko.callbacks.TensorBoard(logs),
        ],
    )


def main() -> None:
    start = time.perf_counter()
    arguments = parse_arguments()
    keras.utils.set_random_seed(arguments.seed)
    train_data, test_data = load_data(arguments.full)
    folder = arguments.output
    folder.mkdir(parents=True, exist_ok=True)

    teacher = make_cnn("teacher", width=96)
    train(teacher, train_data, TEACHER_EPOCHS)

    baseline, student = make_cnn("baseline"), make_cnn("student")
    student.set_weights(baseline.get_weights())
    train(baseline, train_data, EPOCHS)
    train_compressed(student, teacher, train_data, folder / "logs", arguments.seed)

    int8 = ko.convert(student, "int8")
    ko.finalize(student)
    models = {"baseline": baseline, "pruned": student, "pruned int8": int8}
    for name, model in models.items():
        ko.save(model, folder / f"{name.replace(' ', '_')}.keras")
    ko.export(int8, folder / "pruned_int8.tflite", format="litert", io_dtype="int8")

    ko.summary(int8)
    report = ko.benchmark(models, data=test_data, batch_sizes=(1, 256))
    (folder / "report.json").write_text(json.dumps(dataclasses.asdict(report), indent=2))
    print(f"\n{report}\n")
    print(ko.compare(int8, folder / "pruned_int8.tflite", test_data[0][:200]), end="\n\n")
    print(f"Models and report: {folder.resolve()}")
    print(f"Logs: tensorboard --logdir {(folder / 'logs').resolve()}")
    print(f"Done in {time.perf_counter() - start:.0f} seconds.")


if __name__ == "__main__":
    main()
