"""Customers' lifetime value: BG/NBD and Gamma-Gamma, fitted on histories in Spark, applied to arrays."""
