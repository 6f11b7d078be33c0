"""The page a person opens after a run."""
