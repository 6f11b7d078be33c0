"""What may stand in the section images, and what is refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ringmill.config.images import Augmentation, Decoding, Images

GIVEN = {"name": "pets", "path": "pictures", "decoding": {"height": 320, "width": 320}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labels": "file"}, "label_path"),
        ({"label_path": "labels.csv"}, "label_path"),
        ({"format": "idx", "labels": "folder"}, "idx"),
        ({"shares": (0.5, 0.5, 0.5)}, "add up to 1"),
        ({"test_path": "tests"}, "nothing to the test split"),
        ({"test_label_path": "tests.csv"}, "'test_label_path' with 'test_path'"),
        ({"test_path": "tests", "test_label_path": "t.csv", "shares": (0.9, 0.1, 0)}, "labels: file"),
        ({"shares": (1.5, -0.5, 0.0)}, "add up to 1"),
        ({"name": "Pets"}, "pattern"),
        ({"decoding": {"height": 0, "width": 320}}, "greater"),
        ({"decoding": {"height": 8, "width": 8, "channels": 4}}, "1 or 3"),
        ({"decoding": {"height": 8, "width": 8, "largest_pixels": 10**9}}, "less"),
        ({"sharpen": 1}, "sharpen"),
    ],
)
def test_what_makes_no_sense_is_refused(change, said):
    with pytest.raises(ValidationError, match=said):
        Images(**{**GIVEN, **change})


@pytest.mark.parametrize(
    ("shape", "rows"), [((28, 28, 1), 21_399), ((320, 320, 3), 54), ((4_096, 4_096, 3), 1)], ids=str
)
def test_a_row_group_holds_16_mebibytes_and_at_least_one_image(shape, rows):
    decoding = Decoding(height=shape[0], width=shape[1], channels=shape[2])
    assert Images(**{**GIVEN, "decoding": decoding}).rows_per_group == rows
    assert (decoding.shape, decoding.bytes) == (shape, shape[0] * shape[1] * shape[2])


def test_augmentation_is_off_unless_asked_for_and_has_bounds():
    assert Augmentation().model_dump() == {"flip": 0.0, "crop_pixels": 0, "brightness": 0.0, "noise": 0.0}
    with pytest.raises(ValidationError):
        Augmentation(flip=1.1)
