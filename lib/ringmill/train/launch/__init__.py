"""Launchers: each starts one process per rank, waits for all, and leaves none behind."""
