"""Callbacks: a schedule moves a technique's state during `fit`."""

from kerasopt.callbacks.backup_and_restore import BackupAndRestore
from kerasopt.callbacks.compressed_metric import CompressedMetric
from kerasopt.callbacks.compression import Compression
from kerasopt.callbacks.curriculum import Curriculum
from kerasopt.callbacks.distillation import Distillation
from kerasopt.callbacks.early_stopping import EarlyStopping
from kerasopt.callbacks.model_checkpoint import ModelCheckpoint
from kerasopt.callbacks.pruning import Pruning
from kerasopt.callbacks.quantization_aware import QuantizationAware
from kerasopt.callbacks.tensorboard import TensorBoard
from kerasopt.training.timed_callback import TimedCallback

__all__ = [
    "BackupAndRestore",
    "CompressedMetric",
    "Compression",
    "Curriculum",
    "Distillation",
    "EarlyStopping",
    "ModelCheckpoint",
    "Pruning",
    "QuantizationAware",
    "TensorBoard",
    "TimedCallback",
]
