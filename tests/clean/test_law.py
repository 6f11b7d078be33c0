"""Law 1's check itself: pure Python, no JVM."""

from __future__ import annotations

import pytest

from ringmill.clean.law import check_nothing_lost
from ringmill.errors import LawError


def test_law_1_counts_that_add_up_are_returned_with_every_status() -> None:
    counts = check_nothing_lost(5, {"clean": 3, "rejected": 2}, where="clean/rows")
    assert counts == {"raw": 5, "clean": 3, "rejected": 2, "duplicate": 0, "superseded": 0}
    assert check_nothing_lost(0, {}, where="clean/rows")["raw"] == 0


@pytest.mark.parametrize("written", [{"clean": 4}, {"clean": 4, "rejected": 2}, {"clean": 4, "lost": 1}, {}])
def test_law_1_a_line_lost_doubled_or_with_another_status_is_caught(written: dict[str, int]) -> None:
    with pytest.raises(LawError, match="Law 1") as caught:
        check_nothing_lost(5, written, where="clean/rows")
    assert caught.value.exit_status == 3
