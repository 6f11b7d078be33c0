"""Equality with scikit-learn and SciPy on UCI Adult: the same columns, fitted by Spark here and by them there."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beside import compare, fitted, of, quantile_bins

pytestmark = pytest.mark.spark
NUMBERS = ["age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week"]
TEXTS = ["workclass", "education", "marital_status", "sex"]
ENTRIES = [
    *({"kind": kind, "columns": NUMBERS, "name": f"{kind} {{column}}"} for kind in ("minmax", "zscore", "robust")),
    {"kind": "quantile_bins", "columns": NUMBERS, "bins": 7, "name": "bin {column}"},
    {"kind": "boxcox", "columns": ["age", "fnlwgt", "hours_per_week"], "name": "boxcox {column}"},
    {"kind": "one_hot", "columns": TEXTS, "name": "hot {column}", "other": False},
    {"kind": "ordinal", "columns": [*TEXTS, "education_num"], "name": "ordinal {column}"},
    {"kind": "target", "columns": TEXTS, "name": "target {column}", "label": "label", "smoothing": 5.0},
]


@pytest.fixture(scope="module")
def encoded(spark, adult):
    """Train and test tables of Adult, texts without nulls, and the state and outputs of our kinds on both."""
    train, test = (_table(adult / f"adult_{part}.parquet") for part in ("data", "test"))
    return fitted(spark, train, test, ENTRIES, columns=[*NUMBERS, *TEXTS])


def _table(path):
    table = pq.read_table(path)
    columns = {name: table[name].cast(pa.float64()) for name in NUMBERS if name != "education_num"}
    columns["education_num"] = table["education_num"].cast(pa.int64())
    columns |= {name: table[name].cast(pa.string()).fill_null("?") for name in TEXTS}
    label = np.char.find(table["income"].to_numpy(zero_copy_only=False).astype(str), ">50K") >= 0
    fold = pa.array(np.arange(table.num_rows) % 5, pa.int32())
    return pa.table({**columns, "label": pa.array(label.astype(np.float64)), "fold": fold})


def test_scaling_is_scikit_learns(encoded):
    from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

    numbers = of(encoded[0], NUMBERS).astype(np.float64)
    for name, scaler in (("minmax ", MinMaxScaler()), ("zscore ", StandardScaler()), ("robust ", RobustScaler())):
        fitted = scaler.fit(numbers)
        compare(encoded, name, lambda rows, fitted=fitted: fitted.transform(rows.astype(np.float64)), NUMBERS)


def test_quantile_bins_are_scikit_learns(encoded):
    bins = quantile_bins(of(encoded[0], NUMBERS).astype(np.float64), 7)
    compare(encoded, "bin ", lambda rows: bins.transform(rows.astype(np.float64)), NUMBERS, rtol=0, atol=0)


def test_one_hot_and_ordinal_are_scikit_learns(encoded):
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    train, _, state, _, _ = encoded
    hot = [part for part in state.parts if part.kind == "one_hot"]
    encoder = OneHotEncoder(
        categories=[list(part.values) for part in hot], handle_unknown="ignore", sparse_output=False
    )
    encoder.fit(of(train, TEXTS))
    compare(encoded, "hot ", encoder.transform, TEXTS, rtol=0, atol=0)
    names = [*TEXTS, "education_num"]
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1).fit(of(train, names))
    compare(encoded, "ordinal ", ordinal.transform, names, rtol=0, atol=0)
    # Ours come by frequency, theirs by name: the values are the same.
    theirs = OneHotEncoder().fit(of(train, TEXTS)).categories_
    assert [sorted(part.values) for part in hot] == [list(values) for values in theirs]


def test_the_full_target_table_is_scikit_learns(encoded):
    from sklearn.preprocessing import TargetEncoder

    train = encoded[0]
    encoder = TargetEncoder(smooth=5.0, target_type="continuous").fit(of(train, TEXTS), of(train, ["label"])[:, 0])
    # Without folds, as validation and test rows are encoded; twelve digits of the state.
    compare(encoded, "target ", encoder.transform, TEXTS)


def test_box_coxs_exponent_is_scipys(encoded):
    from scipy.stats import boxcox

    train, _, state, found, _ = encoded
    for part in (part for part in state.parts if part.kind == "boxcox"):
        values = train[part.column].to_numpy()
        theirs, exponent = boxcox(values)
        assert part.exponent == pytest.approx(exponent, abs=1e-6)
        mine = found[:, state.outputs.index(part.name)]
        np.testing.assert_allclose(mine, boxcox(values, part.exponent), rtol=1e-12)
        np.testing.assert_allclose(mine, theirs, rtol=1e-4)
