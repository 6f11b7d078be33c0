"""Raw lines → typed rows, each with one status and all its reasons."""

from ringmill.clean.law import check_nothing_lost, with_line_count
from ringmill.clean.quality import summarise_quality
from ringmill.clean.rows import clean_rows

__all__ = ["check_nothing_lost", "clean_rows", "summarise_quality", "with_line_count"]
