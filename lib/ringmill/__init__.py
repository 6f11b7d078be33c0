"""Ringmill: Spark refines raw orders, Horovod trains on the pinned tables, the model scores the next batch."""

__version__ = "0.1.0"
