"""The axis of losses that compare a model with its teacher."""

import keras

from kerasopt.axis import Choices

LOSSES = Choices("loss", keras.losses.Loss, "keras.losses")
