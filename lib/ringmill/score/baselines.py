"""What the network is compared with on the same split: Spark ML's logistic regression on the same features."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

ITERATIONS = 100
# Strength of the ridge penalty, the best of six tried on UCI Online Retail: a weak peer proves nothing.
REGULARISATION = 1e-2


def with_logistic_probability(
    features: DataFrame, *, fitted_on: Sequence[str] = ("train",), of: Sequence[str] = ("test",)
) -> DataFrame:
    """Rows of features/<name> → those of the splits `of`, with logistic_probability fitted on the splits `fitted_on`.

    Columns in: x (array of float), label_buy (0/1), split. Columns out: those in, and logistic_probability (double).
    Source: Spark ML's LogisticRegression (L-BFGS), on the encoded features that the network sees.
    """
    with warnings.catch_warnings():
        # PySpark's ML package imports pandas' and NumPy's deprecated names.
        warnings.simplefilter("ignore", DeprecationWarning)
        from pyspark.ml.classification import LogisticRegression
        from pyspark.ml.functions import array_to_vector, vector_to_array

    vectors = features.withColumn("vector", array_to_vector(F.col("x")))
    regression = LogisticRegression(
        featuresCol="vector",
        labelCol="label_buy",
        maxIter=ITERATIONS,
        regParam=REGULARISATION,
        # x is standardised already; doing it again would free the rare countries' columns from the penalty, which
        # costs 0.002 of AUC on UCI Online Retail.
        standardization=False,
    )
    model = regression.fit(vectors.where(F.col("split").isin(*fitted_on)))
    scored: DataFrame = model.transform(vectors.where(F.col("split").isin(*of)))
    probability = vector_to_array(F.col("probability")).getItem(1)
    return scored.withColumn("logistic_probability", probability).select(*features.columns, "logistic_probability")
