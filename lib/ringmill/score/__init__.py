"""A trained model applied by Arrow batch, and what it is compared with."""
