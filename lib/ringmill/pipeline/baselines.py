"""What BG/NBD and Gamma-Gamma, fitted on the network's train split, say of its test split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from ringmill.contracts import CLEAN_ROWS
from ringmill.lake.ledger import Entry
from ringmill.pipeline.lines import priced_lines
from ringmill.pipeline.stage import Run

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def purchase_model_baseline(run: Run, features: DataFrame, published: Entry) -> pa.Table | None:
    """Rows of features/<name> → row_id, bgnbd_probability and bgnbd_spend of the test split's; None without a fit.

    The models see the lines that the features were `published` of, as of the same cutoffs, of the train split's
    customers alone; the histories of several cutoffs are fitted as one. bgnbd_spend (currency, expected purchases ×
    expected value) is null where Gamma-Gamma could not be fitted.
    """
    from pyspark.sql import functions as F

    from ringmill.lifetime.bgnbd import BetaGeo
    from ringmill.lifetime.fit import fit_models
    from ringmill.rfm.customers import summarise_customers
    from ringmill.rfm.lifetime import foresee_chances

    section, zone = run.config.features, run.config.zone
    rows = priced_lines(run, published.inputs[CLEAN_ROWS.path])
    histories = summarise_customers(rows, section.cutoffs, zone=zone, period="day")
    split = features.select("row_id", "customer_id", "cutoff", "split")
    customers = split.join(histories, ["customer_id", "cutoff"]).persist()
    models = fit_models(customers.where("split = 'train'"), run.config.rfm.lifetime.least_repeat_customers)
    found = None
    if models.purchases is not None:
        tested = customers.where(F.col("split") == "test")
        purchases = BetaGeo(**models.purchases.values)
        found = foresee_chances(tested, purchases, models.worth, ahead_days=section.horizon_days)
    customers.unpersist()
    return found
