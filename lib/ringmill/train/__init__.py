"""Training on ranks: models, the loop, exact metrics, checkpoints, the ring, and the launchers that start it."""
