"""Every table as data: column, type, unit, nullability and meaning. Types are Spark DDL names; no JVM needed."""

from ringmill.contracts.clean import (
    CLEAN_CANCELLATIONS,
    CLEAN_ROWS,
    QUALITY_RULES,
    QUALITY_RUNS,
    STATUSES,
    clean_rows_table,
)
from ringmill.contracts.features import SCORES, embeddings_table, features_columns
from ringmill.contracts.images import image_scores_table
from ringmill.contracts.imbalance import generated_table, oversampled_table
from ringmill.contracts.ledger import LEDGER_HISTORY, LEDGER_RUNS
from ringmill.contracts.recommend import RECOMMENDATIONS, purchases_table
from ringmill.contracts.rfm import RFM_COHORTS, RFM_CUSTOMERS, rfm_lifetime
from ringmill.contracts.sequences import NEXT_ORDERS, sequences_table
from ringmill.contracts.table import SPLITS, Column, Table
from ringmill.contracts.texts import refined_table, text_scores_table

__all__ = [
    "CLEAN_CANCELLATIONS",
    "CLEAN_ROWS",
    "LEDGER_HISTORY",
    "LEDGER_RUNS",
    "NEXT_ORDERS",
    "QUALITY_RULES",
    "QUALITY_RUNS",
    "RECOMMENDATIONS",
    "RFM_COHORTS",
    "RFM_CUSTOMERS",
    "SCORES",
    "SPLITS",
    "STATUSES",
    "Column",
    "Table",
    "clean_rows_table",
    "embeddings_table",
    "features_columns",
    "generated_table",
    "image_scores_table",
    "oversampled_table",
    "purchases_table",
    "refined_table",
    "rfm_lifetime",
    "sequences_table",
    "text_scores_table",
]
