"""The frozen state of an image set as JSON, and its hash."""

from __future__ import annotations

import json

import pytest

from ringmill.config.images import Decoding
from ringmill.features.images.state import ImageState

STATE = ImageState(Decoding(height=1, width=2, channels=3), (10.0, 0.0, 127.5), (2.0, 255.0, 63.75), ("cat", "dog"))


def test_a_state_comes_back_from_its_json_with_the_same_hash():
    again = ImageState.from_json(json.loads(json.dumps(STATE.to_json())))
    assert again == STATE and again.hash == STATE.hash


@pytest.mark.parametrize("field", ["mean", "scale", "classes", "decoding"])
def test_whatever_changes_the_result_changes_the_hash(field):
    tree = STATE.to_json()
    tree[field] = {**tree[field], "resize": "stretch"} if field == "decoding" else tree[field][::-1]
    assert ImageState.from_json(tree).hash != STATE.hash
