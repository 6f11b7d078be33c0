"""Columns of x → those that are kept, with a table of scores and reasons: judged on the train split alone (`fit`)."""
