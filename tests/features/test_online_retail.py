"""Equality with scikit-learn on Online Retail: lines of 2010 and most of 2011 to fit, those of the last weeks besides.

Every sixth line, and each of 1,000 pieces or more. Prices and pieces have the tails of a real shop (4,161.06 a piece,
80,995 pieces), and the last weeks hold 60 products that nobody had bought before.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from beside import compare, fitted, of, quantile_bins

pytestmark = pytest.mark.spark
NUMBERS = ["pieces", "price", "total"]
TEXTS = ["product", "country"]
ENTRIES = [
    *({"kind": kind, "columns": NUMBERS, "name": f"{kind} {{column}}"} for kind in ("minmax", "zscore", "robust")),
    {"kind": "zscore", "columns": NUMBERS, "log1p": True, "name": "log zscore {column}"},
    {"kind": "quantile_bins", "columns": NUMBERS, "bins": 9, "name": "bin {column}"},
    {"kind": "one_hot", "columns": ["country"], "name": "hot {column}", "other": False},
    {"kind": "ordinal", "columns": TEXTS, "name": "ordinal {column}"},
    {"kind": "target", "columns": TEXTS, "name": "target {column}", "label": "total", "smoothing": 20.0},
    {"kind": "pca", "columns": [f"log zscore {name}" for name in NUMBERS], "name": "pca", "whiten": True},
    {"kind": "lda", "columns": [f"log zscore {name}" for name in NUMBERS], "name": "lda", "label": "country"},
]


@pytest.fixture(scope="module")
def encoded(spark, online_retail):
    lines = pq.read_table(online_retail / "online_retail.parquet")
    sold = pc.and_(pc.greater(lines["Quantity"], 0), pc.greater(lines["UnitPrice"], 0))
    lines = lines.filter(pc.and_(sold, pc.is_valid(lines["CustomerID"])))
    pieces, price = (lines[name].cast(pa.float64()) for name in ("Quantity", "UnitPrice"))
    table = pa.table(
        {
            "pieces": pieces,
            "price": price,
            "total": pc.multiply(pieces, price),
            "product": lines["StockCode"].cast(pa.string()),
            "country": lines["Country"].cast(pa.string()),
            "fold": pa.array(lines["CustomerID"].to_numpy() % 5, pa.int32()),
        }
    )
    whole = table.num_rows
    assert whole == 397_884  # as all who cleaned this file have counted
    seen = pc.or_(pa.array(np.arange(whole) % 6 == 0), pc.greater_equal(pieces, 1_000.0))
    table, lines = table.filter(seen), lines.filter(seen)
    late = pc.greater_equal(lines["InvoiceDate"], pa.scalar(np.datetime64("2011-11-20", "ms")))
    return fitted(spark, table.filter(pc.invert(late)), table.filter(late), ENTRIES, columns=[*NUMBERS, *TEXTS])


def log_scaled(encoded):
    """What makes of NUMBERS the columns that the extractions read, fitted on the train rows."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(np.log1p(of(encoded.train, NUMBERS)))
    return lambda rows: scaler.transform(np.log1p(rows))


def test_the_tables_are_the_real_shops(encoded):
    assert (encoded.train.num_rows, encoded.test.num_rows) == (59_228, 7_179)
    assert encoded.train["price"].to_numpy().max() == 4_161.06
    assert encoded.train["pieces"].to_numpy().max() == 74_215
    assert encoded.test["pieces"].to_numpy().max() == 80_995
    unseen = set(encoded.test["product"].to_pylist()) - set(encoded.train["product"].to_pylist())
    assert len(unseen) == 60


def test_scaling_is_scikit_learns(encoded):
    from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

    numbers = of(encoded.train, NUMBERS)
    for name, scaler in (("minmax ", MinMaxScaler()), ("zscore ", StandardScaler()), ("robust ", RobustScaler())):
        compare(encoded, name, scaler.fit(numbers).transform, NUMBERS)
    compare(encoded, "log zscore ", log_scaled(encoded), NUMBERS)


def test_quantile_bins_are_scikit_learns(encoded):
    bins = quantile_bins(of(encoded.train, NUMBERS), 9)
    compare(encoded, "bin ", bins.transform, NUMBERS, rtol=0, atol=0)


def test_categories_are_scikit_learns_and_so_are_those_never_seen(encoded):
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

    (hot,) = (part for part in encoded.state.parts if part.kind == "one_hot")
    encoder = OneHotEncoder(categories=[list(hot.values)], handle_unknown="ignore", sparse_output=False)
    compare(encoded, "hot ", encoder.fit(of(encoded.train, ["country"])).transform, ["country"], rtol=0, atol=0)
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1).fit(of(encoded.train, TEXTS))
    compare(encoded, "ordinal ", ordinal.transform, TEXTS, rtol=0, atol=0)
    target = TargetEncoder(smooth=20.0, target_type="continuous")
    compare(
        encoded, "target ", target.fit(of(encoded.train, TEXTS), of(encoded.train, ["total"])[:, 0]).transform, TEXTS
    )


def test_components_and_discriminants_are_scikit_learns(encoded):
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    scaled = log_scaled(encoded)
    x = scaled(of(encoded.train, NUMBERS))
    pca = PCA(whiten=True, svd_solver="full").fit(x)
    compare(encoded, "pca ", lambda rows: pca.transform(scaled(rows)), NUMBERS, rtol=1e-7, atol=1e-7)
    lda = LinearDiscriminantAnalysis(solver="svd").fit(x, of(encoded.train, ["country"])[:, 0])
    places = [place for place, name in enumerate(encoded.state.outputs) if name.startswith("lda ")]
    theirs, ours = lda.transform(scaled(of(encoded.test, NUMBERS))), encoded.of_test[:, places]
    signs = np.sign((ours * theirs).sum(axis=0))
    np.testing.assert_allclose(ours * signs, theirs, rtol=0, atol=1e-7 * np.abs(theirs).max())
