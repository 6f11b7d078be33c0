"""Texts → tokens (`tokens`); tokens → weights and padded numbers (`parts`); lines of texts → features/<name>."""
