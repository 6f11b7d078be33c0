"""The report of a classifier: every figure on the page is the one that was measured."""

from __future__ import annotations

from ringmill.report.classes import classes, confusion_map, intake
from ringmill.report.evaluate import Interval, interval_of

METRICS = {
    "rows": 5,
    "precision_macro": 0.625,
    "recall_macro": 0.5,
    "f1_macro": 0.75,
    "auc_macro": 0.875,
    "per_class": {
        "bag": {"precision": 1.0, "recall": 0.5, "f1": 2 / 3, "auc": 0.875, "weight": 4.0},
        "coat": {"precision": 0.25, "recall": None, "f1": None, "auc": None, "weight": 0.0},
    },
    "confusion": [[3.0, 1.0], [0.0, 0.0]],
}


def test_each_class_has_its_figures_and_a_dash_for_what_is_not_defined():
    section = classes(METRICS, Interval(0.8, 0.6, 0.9), {}, "images")
    assert section.blocks[0].grid.rows == [
        ["bag", "1.000", "0.500", "0.667", "0.875", "4"],
        ["coat", "0.250", "–", "–", "–", "0"],
        ["mean of the classes", "0.625", "0.500", "0.750", "0.875", ""],
    ]
    assert "Of 5 images" in section.blocks[0].text and "80.0%" in section.blocks[0].text
    assert "60.0% to 90.0%" in section.blocks[0].text and "0.750" in section.blocks[0].text


def test_what_a_model_of_an_earlier_release_lacks_is_a_dash():
    lacking = ("precision_macro", "recall_macro", "auc_macro")
    per_class = {
        name: {figure: value for figure, value in each.items() if figure != "auc"}
        for name, each in METRICS["per_class"].items()
    }
    earlier = {name: value for name, value in METRICS.items() if name not in lacking} | {"per_class": per_class}
    assert classes(earlier, Interval(0.8, 0.6, 0.9), {}, "images").blocks[0].grid.rows == [
        ["bag", "1.000", "0.500", "0.667", "–", "4"],
        ["coat", "0.250", "–", "–", "–", "0"],
        ["mean of the classes", "–", "–", "0.750", "–", ""],
    ]


def test_each_figure_of_a_class_stands_beside_its_interval():
    figures = {
        "per_class.bag.recall": {"value": 0.5, "low": 0.25, "high": 0.75, "defined": 1000},
        "per_class.coat.recall": {"value": None, "low": None, "high": None, "defined": 0},
        "auc_macro": {"value": 0.875, "low": 0.75, "high": 1.0, "defined": 1000},
    }
    rows = classes(METRICS, Interval(0.8, 0.6, 0.9), {"figures": figures}, "images").blocks[0].grid.rows
    assert [row[2] for row in rows] == ["0.500 (0.250 to 0.750)", "–", "0.500"]
    assert [row[4] for row in rows] == ["0.875", "–", "0.875 (0.750 to 1.000)"]


def test_the_mean_f1_stands_beside_the_interval_that_the_training_found():
    found = {"figures": {"f1_macro": {"value": 0.75, "low": 0.5, "high": 0.875, "defined": 1000}}}
    section = classes(METRICS, Interval(0.8, 0.6, 0.9), found, "images")
    assert "The mean F1 of the classes is 0.750 (0.500 to 0.875)." in section.blocks[0].text
    assert interval_of({"not_computed": "300,000 test rows are more than 200,000"}, "f1_macro") is None
    undefined = {"figures": {"f1": {"value": None, "low": None, "high": None, "defined": 0}}}
    assert interval_of(undefined, "f1") is None


def test_the_map_shows_counts_and_colours_by_the_share_of_the_true_class():
    html = confusion_map(["bag", "coat"], METRICS["confusion"])
    assert '"text":[["3","1"],["",""]]' in html
    assert '"z":[[0.75,0.25],[0.0,0.0]]' in html


def test_refused_images_are_counted_by_reason():
    counts = {"clean": 8, "rejected": 2, "train": 5, "validation": 1, "test": 2, "empty_file": 2}
    section = intake(counts, "images")
    assert section.blocks[0].grid.rows == [["kept", "8", "80.0%"], ["files without a byte", "2", "20.0%"]]
    assert "10 images came in" in section.blocks[0].text
