"""Batches for the benchmarks, without tf.data's autotuning."""

import tensorflow as tf


def shuffled_batches(x, y, size):
    """Returns a dataset of shuffled batches, as `fit` makes it of arrays.

    But nothing in it is tuned: the thread that tunes can oversleep the end of an epoch by as long
    as the epoch took, and whichever variant is training then would seem slow.

    Args:
        x: Array of inputs.
        y: Array of targets.
        size: Integer, the number of samples in a batch.
    """
    inputs, targets = tf.constant(x), tf.constant(y)
    batches = tf.data.Dataset.range(len(x)).shuffle(len(x)).batch(size)
    batches = batches.map(lambda index: (tf.gather(inputs, index), tf.gather(targets, index)))
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(2).with_options(options)
