"""The axis of distillation losses."""

import keras

from kerasopt.axis import Choices

LOSSES = Choices("loss", keras.losses.Loss)
