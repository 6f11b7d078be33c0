"""Features of a customer at a cutoff: aggregated by Spark, fitted once, applied by Arrow batch."""
