"""Raw lines → typed rows, each with one status and all its reasons."""

from ringmill.clean.cancellations import link_cancellations
from ringmill.clean.law import check_nothing_lost, with_line_count
from ringmill.clean.quality import quality_of, summarise_quality
from ringmill.clean.rows import clean_rows, read_values
from ringmill.clean.statistics import fitted_of, summarise_statistics, to_fit

__all__ = [
    "check_nothing_lost",
    "clean_rows",
    "fitted_of",
    "link_cancellations",
    "quality_of",
    "read_values",
    "summarise_quality",
    "summarise_statistics",
    "to_fit",
    "with_line_count",
]
