"""Texts → tokens (`tokens`); tokens → weights and padded numbers (`parts`); varied texts to train on (`augment`)."""
