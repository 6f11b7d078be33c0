"""The report of a classifier: every figure on the page is the one that was measured."""

from __future__ import annotations

from ringmill.report.classes import classes, confusion_map, intake
from ringmill.report.evaluate import Interval, interval_of

METRICS = {
    "rows": 5,
    "f1_macro": 0.75,
    "per_class": {
        "bag": {"precision": 1.0, "recall": 0.5, "f1": 2 / 3, "weight": 4.0},
        "coat": {"precision": 0.25, "recall": None, "f1": None, "weight": 0.0},
    },
    "confusion": [[3.0, 1.0], [0.0, 0.0]],
}


def test_each_class_has_its_figures_and_a_dash_for_what_is_not_defined():
    section = classes(METRICS, Interval(0.8, 0.6, 0.9), None, "images")
    assert section.blocks[0].grid.rows == [["bag", "1.000", "0.500", "0.667", "4"], ["coat", "0.250", "–", "–", "0"]]
    assert "Of 5 images" in section.blocks[0].text and "80.0%" in section.blocks[0].text
    assert "60.0% to 90.0%" in section.blocks[0].text and "0.750" in section.blocks[0].text


def test_the_mean_f1_stands_beside_the_interval_that_the_training_found():
    found = {"figures": {"f1_macro": {"value": 0.75, "low": 0.5, "high": 0.875, "defined": 1000}}}
    section = classes(METRICS, Interval(0.8, 0.6, 0.9), interval_of(found, "f1_macro"), "images")
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
