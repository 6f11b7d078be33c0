"""Composition: each stage's inputs from the ledger, the stage's pure functions, its write, its ledger row."""
