"""with_split: by group, by time, by both, and stratified; what added rows may not change."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from pydantic import ValidationError

from ringmill.config.models import Features
from ringmill.features.splits import with_fold, with_split

spark_test = pytest.mark.spark
FIRST, SECOND, THIRD = date(2024, 4, 1), date(2024, 7, 1), date(2024, 10, 1)
BY_TIME = {"validation_cutoffs": [SECOND], "test_cutoffs": [THIRD]}


def section(**split):
    return Features.model_validate({"train_cutoffs": [FIRST], "split": split})


def rows_of(spark, customers, cutoffs=(FIRST, SECOND, THIRD)):
    """(customer, country, first day of orders) at each cutoff that lies behind that day."""
    rows = [
        (customer, cutoff, country, float((cutoff - day).days), float(len(customer) % 2))
        for customer, country, day in customers
        for cutoff in cutoffs
        if day < cutoff
    ]
    schema = "customer_id string, cutoff date, country string, tenure_days double, label_buy double"
    return spark.createDataFrame(rows, schema)


def splits_of(frame, declared, *, seed=1):
    rows = frame.transform(with_split, declared, seed=seed).collect()
    return {(row["customer_id"], row["cutoff"]): row["split"] for row in rows}


def some(count, *, country="France", start=0):
    return [(f"c{n}", country, date(2023, 1, 1) + timedelta(days=n // 3)) for n in range(start, start + count)]


@spark_test
def test_law_2_by_time_a_cutoff_is_in_one_split_and_by_both_a_customer_is_too(spark):
    frame = rows_of(spark, some(400)).persist()
    by_group, by_time = splits_of(frame, section()), splits_of(frame, section(kind="time", **BY_TIME))
    both = splits_of(frame, section(kind="both", **BY_TIME))
    assert {key[1]: split for key, split in by_time.items()} == {FIRST: "train", SECOND: "validation", THIRD: "test"}
    assert len(by_group) == len(by_time) == len(both) == 1_200
    for key, split in both.items():
        assert split == (by_time[key] if by_time[key] == by_group[key] else None)
    assert set(both.values()) == {"train", "validation", "test", None}
    customers = {}
    for (customer, _), split in by_group.items():
        customers.setdefault(customer, set()).add(split)
    assert {len(found) for found in customers.values()} == {1}


@spark_test
def test_stratified_shares_hold_within_each_stratum_and_whoever_comes_later_moves_nobody(spark):
    early = [*some(200), *some(61, country="Spain", start=1_000), ("x", None, date(2023, 1, 1))]
    later = [(f"late-{n}", ["France", "Spain", "Malta"][n % 3], date(2024, 3, 1)) for n in range(90)]
    declared = section(stratify=["country"])
    before = splits_of(rows_of(spark, early), declared)
    after = splits_of(rows_of(spark, [*later, *early]), declared)
    assert {key: after[key] for key in before} == before
    for stratum, count in (("France", 200), ("Spain", 61)):
        own = [before[customer, FIRST] for customer, country, _ in early if country == stratum]
        assert len(own) == count
        for split, share in (("train", 0.70), ("validation", 0.15), ("test", 0.15)):
            assert abs(own.count(split) - share * count) <= 2, (stratum, split)
    # A customer has one split at all cutoffs, a null country being a stratum of its own.
    assert len({before["x", cutoff] for cutoff in (FIRST, SECOND, THIRD)}) == 1


@spark_test
@pytest.mark.parametrize("declared", [{}, {"kind": "both", **BY_TIME}])
def test_without_strata_no_added_row_moves_anybody(spark, declared):
    before = splits_of(rows_of(spark, some(150)), section(**declared))
    added = [*some(90, start=500), ("early", "Malta", date(2022, 1, 1)), *some(150)]
    after = splits_of(rows_of(spark, added), section(**declared))
    assert {key: after[key] for key in before} == before and len(after) == len(before) + 3 * 91
    assert set(before.values()) >= {"train", "validation", "test"}


@spark_test
def test_stratified_by_the_label_each_of_its_values_has_the_shares(spark):
    # Whose name has an odd number of letters buys: c10 to c99.
    customers = some(260)
    found = splits_of(rows_of(spark, customers, cutoffs=(FIRST,)), section(stratify=["label_buy"]))
    for buys, count in ((1, 90), (0, 170)):
        own = [split for (customer, _), split in found.items() if len(customer) % 2 == buys]
        assert len(own) == count
        for split, share in (("train", 0.70), ("validation", 0.15), ("test", 0.15)):
            assert abs(own.count(split) - share * count) <= 2, (buys, split)


@spark_test
def test_a_fold_is_a_train_customers_own_and_null_elsewhere(spark):
    frame = rows_of(spark, some(300)).transform(with_split, section(), seed=1).transform(with_fold, 5, seed=1)
    folds = {}
    for row in frame.collect():
        assert (row["fold"] is None) == (row["split"] != "train")
        folds.setdefault(row["customer_id"], set()).add(row["fold"])
    assert {len(found) for found in folds.values()} == {1}
    assert {fold for found in folds.values() for fold in found} == {None, 0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({"kind": "time"}, "validation_cutoffs and test_cutoffs with kind: time"),
        ({"kind": "group", **BY_TIME}, "kind: time or both"),
        ({"kind": "time", "stratify": ["country"], **BY_TIME}, "by time nobody is drawn"),
        ({"kind": "time", "validation_cutoffs": [date(2024, 6, 29)], "test_cutoffs": [THIRD]}, "cutoffs of validation"),
        ({"kind": "both", "validation_cutoffs": [THIRD], "test_cutoffs": [SECOND]}, "cutoffs of test"),
        ({"kind": "both", "validation_cutoffs": [FIRST], "test_cutoffs": [SECOND]}, "cutoffs of validation"),
        ({"kind": "time", "validation_cutoffs": [SECOND] * 2, "test_cutoffs": [THIRD]}, "each cutoff once"),
    ],
)
def test_law_2_splits_whose_instants_would_overlap_are_refused(split, words):
    with pytest.raises(ValidationError, match=words):
        section(**split)


def test_law_2_validations_first_cutoff_may_be_the_end_of_trains_labels():
    end = FIRST + timedelta(days=90)
    declared = section(kind="time", validation_cutoffs=[end], test_cutoffs=[end + timedelta(days=90)])
    assert declared.cutoffs == (FIRST, end, end + timedelta(days=90))


@pytest.mark.parametrize("given", [{"train_cutoffs": [FIRST, FIRST]}, {"windows_days": [30, 7, 30]}])
def test_cutoffs_and_windows_are_named_once(given):
    with pytest.raises(ValidationError, match="once"):
        Features.model_validate({"train_cutoffs": [FIRST], **given})
