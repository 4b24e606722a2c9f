"""Sums and batches over all replicas of a `tf.distribute` strategy; identities with one."""

from __future__ import annotations

import tensorflow as tf


def sum_over_replicas(value: tf.Tensor) -> tf.Tensor:
    """The value summed over all replicas."""
    context = _context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value) if context else value


def gather_over_replicas(value: tf.Tensor) -> tf.Tensor:
    """The batch axes of all replicas joined; gradients flow back to each replica's own part."""
    context = _context()
    return context.all_gather(value, axis=0) if context else value


def variance_over_replicas(value: tf.Tensor) -> tf.Tensor:
    """Variance over all elements of all replicas, a scalar; without gradient."""
    value = tf.stop_gradient(tf.cast(value, tf.float32))
    count = sum_over_replicas(tf.cast(tf.size(value), tf.float32))
    mean = sum_over_replicas(tf.reduce_sum(value)) / count
    return sum_over_replicas(tf.reduce_sum(tf.square(value - mean))) / count


def _context() -> tf.distribute.ReplicaContext | None:
    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None
