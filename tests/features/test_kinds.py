"""Fitting every kind on a small train split whose numbers can be worked out by eye, and what all kinds share."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pydantic import TypeAdapter
from pyspark.sql import functions as F
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from ringmill.config.features import FeatureEntry
from ringmill.errors import ConfigError, InputError
from ringmill.features import fit_categories, fit_targets
from ringmill.features.apply import apply, encoder
from ringmill.features.categories import bucket
from ringmill.features.columns_of import SEPARATOR
from ringmill.features.fit import fit
from ringmill.features.splits import split_of, with_fold
from without_jvm import encoded_without_jvm

pytestmark = pytest.mark.spark
COLUMNS = ("amount", "visits", "city", "tier", "at", "day")
SCHEMA = (
    "customer_id string, amount double, visits bigint, city string, tier string, at timestamp, day date, "
    "label_buy double, split string, fold int"
)
TRAIN = (
    ("a", 1.0, 1, "Rome", "low", "2024-03-31 00:30:00", "2024-12-24", 1.0, "train", 0),
    ("b", 2.0, 2, "Rome", "high", "2024-06-01 12:00:00", "2024-12-25", 0.0, "train", 1),
    ("c", 4.0, 9, "Oslo", "low", None, None, 1.0, "train", 1),
    ("d", 8.0, 10, None, "low", "2024-06-01 12:00:00", "2024-01-01", 0.0, "train", 0),
)


def entries(*trees):
    return TypeAdapter(tuple[FeatureEntry, ...]).validate_python(trees)


def rows_of(spark, rows):
    kinds = [part.split() for part in SCHEMA.split(", ")]
    text = ", ".join(f"{name} {'string' if kind in ('timestamp', 'date') else kind}" for name, kind in kinds)
    frame = spark.createDataFrame(rows, text)
    return frame.selectExpr(*(f"CAST({name} AS {kind}) {name}" for name, kind in kinds))


def batch_of(frame):
    return frame.toArrow().combine_chunks().to_batches()[0]


ALL = entries(
    {"kind": "zscore", "columns": ["amount"], "name": "z"},
    {"kind": "minmax", "columns": ["amount", "visits"], "name": "{column} in range"},
    {"kind": "robust", "columns": ["amount"], "name": "robust"},
    {"kind": "log", "columns": ["amount"], "name": "log"},
    {"kind": "boxcox", "columns": ["amount"], "name": "boxcox"},
    {"kind": "quantile_bins", "columns": ["visits"], "bins": 2, "name": "band"},
    {"kind": "missing", "columns": ["city", "at"]},
    {"kind": "one_hot", "columns": ["city"], "most": 1},
    {"kind": "ordinal", "columns": ["tier"], "order": ["low", "high"]},
    {"kind": "ordinal", "columns": ["visits"], "name": "visits' place"},
    {"kind": "hashed", "columns": ["city"], "buckets": 4},
    {"kind": "frequency", "columns": ["city"], "name": "city's share"},
    {"kind": "target", "columns": ["city"], "smoothing": 2.0},
    {"kind": "cross", "columns": ["tier", "band"]},
    {"kind": "calendar", "columns": ["at"], "parts": ["hour", "month"], "null": -1},
    {"kind": "calendar", "columns": ["day"], "parts": ["weekday"], "output": "wave", "null": 0},
    {"kind": "holidays", "columns": ["day"], "days": ["2024-12-25"], "outputs": ["is", "until"], "null": 0},
    {"kind": "ratio", "columns": ["amount", "visits"], "name": "amount per visit", "null": 0},
    {"kind": "difference", "columns": ["visits", "amount"], "name": "visits over amount", "keep": False},
    {"kind": "zscore", "columns": ["visits over amount"], "name": "difference"},
    {"kind": "cross", "columns": ["tier", "city"], "encoding": "hashed", "buckets": 3, "name": "both"},
    {"kind": "pca", "columns": ["log", "visits"], "components": 1, "whiten": True},
    {"kind": "lda", "columns": ["boxcox", "visits in range"], "label": "label_buy"},
)


@pytest.fixture(scope="module")
def train(spark):
    return rows_of(spark, TRAIN).persist()


@pytest.fixture(scope="module")
def state(train):
    return fit(train, ALL, columns=COLUMNS, zone="Europe/London")


@pytest.mark.parametrize("kind", ["zscore", "minmax", "robust"])
def test_a_missing_value_is_no_part_of_a_fit_of_logarithms(spark, kind):
    entry = entries({"kind": kind, "columns": ["amount"], "log1p": True, "null": 0})
    some = [("a", 1.0), ("b", 3.0), ("c", 7.0)]
    with_null, without = (
        fit(spark.createDataFrame(rows, "customer_id string, amount double"), entry, columns=("amount",))
        for rows in ([*some, ("d", None)], some)
    )
    assert with_null.parts == without.parts


def test_every_kind_is_fitted_and_applied_as_it_says(train, state):
    matrix = apply(batch_of(train), state, fold="fold")
    found = dict(zip(state.names, matrix.T.tolist(), strict=True))

    def check(name, expected):
        assert found.pop(name) == pytest.approx(expected, rel=1e-6, abs=1e-6), name

    amounts = np.array([1.0, 2.0, 4.0, 8.0])
    check("z", (amounts - 3.75) / amounts.std())
    check("amount in range", [0, 1 / 7, 3 / 7, 1])
    check("visits in range", [0, 1 / 9, 8 / 9, 1])
    check("robust", (amounts - 3.0) / (5.0 - 1.75))
    check("log", np.log1p(amounts))
    # Four numbers in geometric progression are symmetric as logarithms: λ is 0.
    check("boxcox", np.log(amounts))
    check("band", [0, 0, 1, 1])
    check("city is null", [0, 0, 0, 1])
    check("at is null", [0, 0, 1, 0])
    check("city = Rome", [1, 1, 0, 0])
    check("city = other", [0, 0, 1, 1])
    check("tier", [0, 1, 0, 0])
    check("visits' place", [0, 1, 2, 3])
    check("city's share", [0.5, 0.5, 0.25, 0.25])
    # Fold 0 (a, d) sees b and c: mean 1/2, Rome 0 of 1; fold 1 (b, c) sees a and d: mean 1/2, Rome 1 of 1, no Oslo.
    check("city target", [(0 + 2 * 0.5) / 3, (1 + 2 * 0.5) / 3, 0.5, 0.5])
    check("tier × band = low × 1", [0, 0, 1, 1])
    check("tier × band = high × 0", [0, 1, 0, 0])
    check("tier × band = low × 0", [1, 0, 0, 0])
    check("tier × band = other", [0, 0, 0, 0])
    check("at hour", [0, 13, -1, 13])  # half past midnight in winter time, 12:00 UTC in summer time
    check("at month", [3, 6, -1, 6])
    check("day weekday sine", [np.sin(2 * np.pi / 7), np.sin(4 * np.pi / 7), 0, 0])
    check("day weekday cosine", [np.cos(2 * np.pi / 7), np.cos(4 * np.pi / 7), 0, 1])
    check("day is a holiday", [0, 1, 0, 0])
    check("day days until a holiday", [1, 0, 0, 60])
    check("amount per visit", amounts / [1, 2, 9, 10])
    differences = np.array([0.0, 0.0, 5.0, 2.0])
    check("difference", (differences - 1.75) / differences.std())
    buckets = np.array([found.pop(f"city in bucket {place}") for place in range(4)]).T
    assert buckets.sum(axis=1).tolist() == [1, 1, 1, 0]
    assert buckets[0].tolist() == buckets[1].tolist()
    crossed = np.array([found.pop(f"both in bucket {place}") for place in range(3)]).T
    pairs = [SEPARATOR.join(pair) for pair in (("low", "Rome"), ("high", "Rome"), ("low", "Oslo"))]
    assert crossed.tolist() == [*([bucket(pair, 3, 0) == place for place in range(3)] for pair in pairs), [0, 0, 0]]
    columns = np.stack([np.log1p(amounts), [1, 2, 9, 10]], axis=1)
    check("pca 1", PCA(1, whiten=True).fit_transform(columns)[:, 0])
    columns = np.stack([np.log(amounts), np.array([0, 1, 8, 9]) / 9], axis=1)
    ours, theirs = found.pop("lda 1"), LinearDiscriminantAnalysis().fit_transform(columns, [1, 0, 1, 0])[:, 0]
    assert ours == pytest.approx(theirs if ours[0] * theirs[0] > 0 else -theirs, rel=1e-6)
    assert not found


def test_scoring_rows_are_encoded_with_all_folds_and_unseen_ones_with_the_mean(train, state):
    place = state.names.index("city target")
    table = batch_of(train).set_column(3, "city", pa.array(["Rome", "Oslo", "Paris", None]))
    expected = [(1 + 2 * 0.5) / 4, (1 + 2 * 0.5) / 3, 0.5, 0.5]
    assert apply(table, state)[:, place].tolist() == pytest.approx(expected)


def test_law_9_in_spark_and_in_a_process_without_a_jvm_every_kind_gives_the_same_bits(spark, state, tmp_path):
    rng = np.random.default_rng(5)

    def maybe(value):
        return None if rng.random() < 0.1 else value

    other = [
        (
            str(number),
            float(rng.lognormal(0, 4)),
            int(rng.integers(1, 40)),
            maybe(str(rng.choice(["Rome", "Oslo", "Paris", "Réunion", ""]))),
            maybe(str(rng.choice(["low", "high", "none"]))),
            maybe(f"2024-{rng.integers(1, 13):02}-{rng.integers(1, 29):02} {rng.integers(24):02}:30:00"),
            maybe(f"{rng.integers(1960, 2030)}-{rng.integers(1, 13):02}-{rng.integers(1, 29):02}"),
            None,
            "test",
            maybe(int(rng.integers(2))),
        )
        for number in range(2_000)
    ]
    frame = rows_of(spark, other).repartition(5).persist()
    frame.count()
    encoded = frame.mapInArrow(encoder(state, fold="fold"), f"{SCHEMA}, x array<float>").toArrow()
    beside = encoded_without_jvm(frame.toArrow(), state, tmp_path, batch=97, fold="fold")
    there = dict(zip(beside["row"].to_pylist(), beside["x"].to_pylist(), strict=True))
    assert len(there) == len(other)
    for key, x in zip(encoded["customer_id"].to_pylist(), encoded["x"].to_pylist(), strict=True):
        assert np.array(x, np.float32).tobytes() == np.array(there.pop(key), np.float32).tobytes()
    assert not there


def test_law_9_poison_in_validation_and_test_leaves_the_states_hash_as_it_is(spark):
    def rows(poison):
        for number in range(300):
            city = ["Rome", "Oslo"][number % 2]
            at, day, label = "2024-06-01 12:00:00", "2024-05-05", float(number % 3 > 0)
            honest = (1.0 + number % 7, number % 5 + 1, city, "low", at, day, label)
            wild = (1e12, 10**9, "Mars", "poison", "1999-01-01 00:00:00", "1999-01-01", 1e9)
            yield (str(number), *(wild if number in poison else honest), None, None)

    def fitted(poison):
        frame = rows_of(spark, list(rows(poison))).drop("split", "fold")
        split = split_of(frame["customer_id"], (0.6, 0.2, 0.2), seed=3)
        frame = frame.withColumn("split", split).transform(with_fold, 3, seed=3).persist()
        held_out = {int(row["customer_id"]) for row in frame.where("split <> 'train'").collect()}
        return fit(frame.where("split = 'train'"), ALL, columns=COLUMNS), held_out

    honest, held_out = fitted(frozenset())
    assert 60 < len(held_out) < 180
    assert fitted(held_out)[0].hash == honest.hash
    inside = min(set(range(300)) - held_out)
    assert fitted({inside})[0].hash != honest.hash


def test_law_3_the_state_does_not_depend_on_how_rows_are_spread(spark):
    # Their sums cancel, their spread is rounding alone, or their λ is 0: what is left differs from order to order.
    rows = [
        (0.1 * (-1) ** n * (1 + n % 493), 0.1, 2.0 ** (n % 21 - 10), f"c{n % 13}", round(0.01 * n, 2))
        for n in range(987)
    ]
    frame = spark.createDataFrame(rows, "around double, same double, powers double, city string, label double")
    frame = frame.withColumn("fold", (F.col("label") * 100 % 3).cast("int"))
    kinds = entries(
        {"kind": "zscore", "columns": ["around", "same"], "name": "{column} z"},
        {"kind": "zscore", "columns": ["around z", "same z"], "name": "{column} twice"},
        {"kind": "boxcox", "columns": ["powers", "same"], "name": "{column} boxcox"},
        {"kind": "target", "columns": ["city"], "label": "label"},
    )
    spreads = (frame.coalesce(1), frame.repartition(7), frame.orderBy(F.rand(1)))
    states = [fit(rows, kinds, columns=["around", "same", "powers", "city"]) for rows in spreads]
    for other in states[1:]:
        assert other.parts == states[0].parts
    assert len({state.hash for state in states}) == 1
    of = {part.name: part for part in states[0].parts}
    assert (of["same z"].scale, of["same boxcox"].exponent, of["powers boxcox"].exponent) == (1.0, 1.0, 0.0)


def test_an_all_null_train_split_gives_a_state_that_can_be_applied(spark):
    nothing = rows_of(spark, [("a", None, None, None, None, None, None, 1.0, "train", 0)] * 2)
    kinds = ("zscore", "minmax", "robust", "log", "boxcox", "quantile_bins")
    numbers = [{"kind": kind, "columns": ["amount"], "name": kind, "null": 0.0} for kind in kinds]
    texts = [
        {"kind": kind, "columns": ["city"], "name": kind} for kind in ("one_hot", "ordinal", "frequency", "target")
    ]
    state = fit(nothing, entries(*numbers, *texts), columns=COLUMNS)
    expected = [0.0] * 6 + [1.0, -1.0, 1.0, 1.0]
    assert apply(batch_of(nothing), state).tolist() == [expected, expected]


def test_a_batch_of_nulls_comes_out_as_each_entry_says_or_is_refused_by_the_name_of_its_column(train):
    nothing = batch_of(train).set_column(1, "amount", pa.nulls(4, pa.float64()))
    kinds = ("zscore", "minmax", "robust", "log", "boxcox", "quantile_bins")
    numbers = [{"kind": kind, "columns": ["amount"], "name": kind} for kind in kinds]
    filled = [{**tree, "null": place + 0.5} for place, tree in enumerate(numbers)]
    state = fit(train, entries(*filled), columns=COLUMNS)
    assert apply(nothing, state).tolist() == [[0.5, 1.5, 2.5, 3.5, 4.5, 5.5]] * 4
    pca = {"kind": "pca", "columns": ["amount", "visits"], "components": 1, "name": "pca"}
    lda = {"kind": "lda", "columns": ["amount", "visits"], "label": "label_buy", "name": "lda"}
    for tree in (*numbers, pca, lda):
        state = fit(train, entries(tree), columns=COLUMNS)
        with pytest.raises(InputError, match=r"amount[\s\S]*4"):
            apply(nothing, state)


@pytest.mark.parametrize("kind", ["one_hot", "ordinal", "frequency", "target", "cross"])
def test_a_column_of_ids_is_refused_before_it_comes_to_the_driver_and_its_frequent_values_are_kept(
    spark, kind, received, monkeypatch
):
    for module in (fit_categories, fit_targets):
        monkeypatch.setattr(module, "MOST_VALUES", 2)
    ids = spark.range(40).selectExpr(
        "'c' customer_id", "'x' tier", "IF(id < 4, 'often', CONCAT('id ', id)) city", "double(id % 2) label_buy",
        "int(id % 2) fold",
    )  # fmt: skip
    tree = {"kind": kind, "columns": ["city", "tier"] if kind == "cross" else ["city"]}
    with pytest.raises(InputError, match=r"column city[\s\S]*2 values at most[\s\S]*hashed"):
        fit(ids, entries(tree), columns=COLUMNS)
    folds = 2 if kind == "target" else 1
    assert sum(received) <= 3 * folds  # one more than may be kept
    received.clear()
    bound = {"minimum": 2} if kind == "target" else {"most": 1}
    (part,) = fit(ids, entries({**tree, **bound}), columns=COLUMNS).parts
    assert [value.split(SEPARATOR)[0] for value in part.values] == ["often"]
    assert sum(received) <= 2 * folds  # all rare ones come as one, where they are told at all


def test_rare_values_count_in_the_mean_of_all_though_a_target_keeps_none_of_them(train):
    (part,) = fit(train, entries({"kind": "target", "columns": ["city"], "minimum": 2}), columns=COLUMNS).parts
    # Rome's labels are 1 and 0, Oslo's 1, those of no city 0; drawn to their mean, 0.5, by 10 rows.
    assert part.full == pytest.approx((0.5, 0.5))
    assert part.folds == (pytest.approx((5 / 11, 0.5)), pytest.approx((6 / 11, 0.5)))


def test_what_cannot_be_fitted_names_the_entry_and_the_column(train):
    def refused(match, *trees):
        with pytest.raises((ConfigError, InputError), match=match):
            fit(train, entries(*trees), columns=COLUMNS)

    refused(r"features\.set\.0\.columns[\s\S]*did you mean 'amount'", {"kind": "zscore", "columns": ["amuont"]})
    refused(r"features\.set\.0[\s\S]*numbers[\s\S]*city, a string", {"kind": "zscore", "columns": ["city"]})
    refused(r"features\.set\.0[\s\S]*instants[\s\S]*city", {"kind": "calendar", "columns": ["city"], "parts": ["hour"]})
    refused(r"features\.set\.0[\s\S]*at, a timestamp", {"kind": "one_hot", "columns": ["at"]})
    refused(r"features\.set\.0\.columns[\s\S]*label_buy", {"kind": "zscore", "columns": ["label_buy"]})
    refused(r"features\.set\.0\.label[\s\S]*label_buy", {"kind": "target", "columns": ["city"], "label": "lable_buy"})
    twice = {"kind": "zscore", "columns": ["amount"]}
    refused(r"name of its own[\s\S]*amount", twice, twice)
    late = ({"kind": "zscore", "columns": ["z"], "name": "zz"}, {"kind": "zscore", "columns": ["amount"], "name": "z"})
    refused(r"features\.set\.0\.columns", *late)
    between = {"kind": "zscore", "columns": ["visits"], "name": "other"}
    refused(r"features\.set\.1\.columns[\s\S]*received: z\n", between, *late)
    leak = ({"kind": "zscore", "columns": ["amount"], "name": "label_buy"},)
    refused(r"name of its own[\s\S]*label_buy", *leak)
    moments = {"kind": "calendar", "columns": ["other"], "parts": ["hour"]}
    refused(r"features\.set\.1[\s\S]*instants[\s\S]*other, a number", between, moments)
    below = {"kind": "difference", "columns": ["amount", "visits"], "name": "below"}
    refused(r"'below'[\s\S]*positive numbers", below, {"kind": "boxcox", "columns": ["below"], "name": "b"})
