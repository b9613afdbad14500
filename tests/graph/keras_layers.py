"""Every layer of Keras that has state, with arguments and inputs."""

import keras
import numpy as np
from keras import layers

RNG = np.random.default_rng(0)
VECTOR, SEQUENCE, IMAGE, VOLUME = (
    RNG.uniform(size=(2, *shape)).astype("float32")
    for shape in [(4,), (6, 4), (8, 8, 3), (4, 4, 4, 3)]
)
FRAMES = RNG.uniform(size=(2, 2, 4, 4, 3)).astype("float32")
INDICES = RNG.integers(0, 5, (2, 6))
WORDS = np.array([["red", "blue"], ["green", "red"]])

_WINDOWED = {"filters": 2, "kernel_size": 3}
_RANDOM = {"factor": 0.5}
_VALUES = {"value_range": (0, 1)}

# Name: the arguments, and the input, a list of inputs, or a tuple of several arguments.
STATEFUL = {
    "AdditiveAttention": ({}, [SEQUENCE, SEQUENCE]),
    "AlphaDropout": ({"rate": 0.5}, VECTOR),
    "Attention": ({"use_scale": True, "dropout": 0.5}, [SEQUENCE, SEQUENCE]),
    "AugMix": (_VALUES, IMAGE),
    "BatchNormalization": ({}, IMAGE),
    "Bidirectional": (lambda: layers.Bidirectional(layers.LSTM(3)), SEQUENCE),
    "Conv1D": (_WINDOWED, SEQUENCE),
    "Conv1DTranspose": (_WINDOWED, SEQUENCE),
    "Conv2D": (_WINDOWED, IMAGE),
    "Conv2DTranspose": (_WINDOWED, IMAGE),
    "Conv3D": (_WINDOWED, VOLUME),
    "Conv3DTranspose": (_WINDOWED, VOLUME),
    "ConvLSTM1D": (_WINDOWED, FRAMES[..., 0]),
    "ConvLSTM2D": (_WINDOWED, FRAMES),
    "ConvLSTM3D": ({"filters": 2, "kernel_size": 1}, np.stack([VOLUME, VOLUME], 1)),
    "CutMix": ({}, IMAGE),
    "Dense": ({"units": 3}, VECTOR),
    "DepthwiseConv1D": ({"kernel_size": 3}, SEQUENCE),
    "DepthwiseConv2D": ({"kernel_size": 3}, IMAGE),
    "Discretization": ({"num_bins": 3}, VECTOR),
    "Dropout": ({"rate": 0.5}, VECTOR),
    "EinsumDense": ({"equation": "ab,bc->ac", "output_shape": 3}, VECTOR),
    "Embedding": ({"input_dim": 5, "output_dim": 3}, INDICES),
    "GRU": ({"units": 3}, SEQUENCE),
    "GaussianDropout": ({"rate": 0.5}, VECTOR),
    "GaussianNoise": ({"stddev": 0.5}, VECTOR),
    "GroupNormalization": ({"groups": 2}, VECTOR),
    "GroupQueryAttention": (
        {"head_dim": 2, "num_query_heads": 2, "num_key_value_heads": 1},
        (SEQUENCE, SEQUENCE),
    ),
    "IntegerLookup": ({}, INDICES),
    "LSTM": ({"units": 3, "stateful": True}, SEQUENCE),
    "LayerNormalization": ({}, VECTOR),
    "MixUp": ({}, IMAGE),
    "MultiHeadAttention": ({"num_heads": 2, "key_dim": 2, "dropout": 0.5}, (SEQUENCE, SEQUENCE)),
    "Normalization": ({}, VECTOR),
    "PReLU": ({}, VECTOR),
    "Pipeline": (lambda: layers.Pipeline([layers.RandomFlip(), layers.Rescaling(2.0)]), IMAGE),
    "RMSNormalization": ({}, VECTOR),
    "RNN": (lambda: layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)]), SEQUENCE),
    "RandAugment": (_VALUES, IMAGE),
    "RandomBrightness": (_RANDOM, IMAGE),
    "RandomColorDegeneration": (_RANDOM, IMAGE),
    "RandomColorJitter": (_VALUES, IMAGE),
    "RandomContrast": (_RANDOM, IMAGE),
    "RandomCrop": ({"height": 4, "width": 4}, IMAGE),
    "RandomElasticTransform": ({}, IMAGE),
    "RandomErasing": ({}, IMAGE),
    "RandomFlip": ({}, IMAGE),
    "RandomGaussianBlur": ({}, IMAGE),
    "RandomGrayscale": (_RANDOM, IMAGE),
    "RandomHue": (_RANDOM, IMAGE),
    "RandomInvert": ({}, IMAGE),
    "RandomPerspective": ({}, IMAGE),
    "RandomPosterization": ({"factor": 3}, IMAGE),
    "RandomRotation": (_RANDOM, IMAGE),
    "RandomSaturation": (_RANDOM, IMAGE),
    "RandomSharpness": (_RANDOM, IMAGE),
    "RandomShear": ({"x_factor": 0.5}, IMAGE),
    "RandomTranslation": ({"height_factor": 0.5, "width_factor": 0.5}, IMAGE),
    "RandomZoom": ({"height_factor": 0.5}, IMAGE),
    "ReversibleEmbedding": ({"input_dim": 5, "output_dim": 3, "tie_weights": False}, INDICES),
    "STFTSpectrogram": ({"frame_length": 4, "frame_step": 2, "fft_length": 4}, SEQUENCE[..., :1]),
    "SeparableConv1D": (_WINDOWED, SEQUENCE),
    "SeparableConv2D": (_WINDOWED, IMAGE),
    "SimpleRNN": ({"units": 3, "recurrent_dropout": 0.5}, SEQUENCE),
    "Solarization": (_VALUES, IMAGE),
    "SpatialDropout1D": ({"rate": 0.5}, SEQUENCE),
    "SpatialDropout2D": ({"rate": 0.5}, IMAGE),
    "SpatialDropout3D": ({"rate": 0.5}, VOLUME),
    "SpectralNormalization": (lambda: layers.SpectralNormalization(layers.Dense(3)), VECTOR),
    "StringLookup": ({"output_mode": "multi_hot"}, WORDS),
    "TextVectorization": ({"output_mode": "tf_idf"}, WORDS[:, :1]),
    "TimeDistributed": (lambda: layers.TimeDistributed(layers.Dense(3)), SEQUENCE),
}


def made(name: str) -> tuple[keras.Model, object]:
    """Returns a model of one layer that has learned or been adapted, and inputs for it."""
    arguments, x = STATEFUL[name]
    layer = arguments() if callable(arguments) else getattr(layers, name)(**arguments)
    if hasattr(layer, "adapt"):
        layer.adapt(x)
    flat = keras.tree.flatten(x)
    dtypes = ["string" if each.dtype.kind == "U" else each.dtype.name for each in flat]
    inputs = [
        keras.Input(batch_shape=each.shape, dtype=dtype)
        for each, dtype in zip(flat, dtypes, strict=True)
    ]
    inputs = keras.tree.pack_sequence_as(x, inputs)
    outputs = layer(*inputs) if isinstance(x, tuple) else layer(inputs)
    for variable in layer.weights:
        if variable.dtype == "float32":
            variable.assign(RNG.uniform(0.1, 1.0, variable.shape))
    return keras.Model(inputs, outputs), x
