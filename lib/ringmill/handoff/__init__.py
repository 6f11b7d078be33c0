"""The seam between Spark and ranks: which rows of a pinned table version each rank decodes and sees, and when."""
