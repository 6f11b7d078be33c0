"""Images: decoded and checked, stored as fixed-size tensors, normalised by a frozen state, varied in training."""
