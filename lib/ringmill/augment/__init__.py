"""A rare class and its help: rows that are made up or repeated, and whether they are copies."""
