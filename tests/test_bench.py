"""What the benchmarks judge by: a claim's value, and baselines that see what their peers learn from."""

from __future__ import annotations

import importlib
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pytest

BENCH = Path(__file__).resolve().parents[1] / "scripts" / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module


def test_a_claim_is_judged_by_the_median_or_by_what_it_says(bench: Any) -> None:
    common = bench("common")
    told: dict[str, Any] = {"unit": "", "goal": 0.9, "better": "higher", "peers": {}}
    by_median = common.claim("a", [0.5, 0.95, 0.95], **told)
    by_mean = common.claim("a", [0.5, 0.95, 0.95], by=mean, **told)
    assert (by_median["value"], by_median["met"]) == (0.95, True)
    assert (by_mean["value"], by_mean["met"]) == (pytest.approx(0.8), False)


def test_spam_is_judged_by_the_mean_over_seeds(bench: Any) -> None:
    sms_spam = bench("sms_spam")
    true = np.array(["spam", "ham"] * 50, object)
    found = [{"true": true, "said": said, "seconds": 1.0} for said in (true, true, np.array(["ham"] * 100, object))]
    accuracy, f1, _ = sms_spam.claims_of("textcnn", found, {"accuracy": 0.0, "spam_f1": 0.0})
    assert accuracy["value"] == pytest.approx(2.5 / 3) and not accuracy["met"]
    assert f1["value"] == pytest.approx(2 / 3) and not f1["met"]
