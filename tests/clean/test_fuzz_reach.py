"""What the fuzzing of cleaning reaches, and that its reference is its own: no JVM needed."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from clean.fuzz.lines import cases_of
from clean.fuzz.reference import expected_rows
from clean.fuzz.rule_sets import FIRST, setting_of
from ringmill.config.rules import Rule
from ringmill.contracts import STATUSES

FUZZ = Path(__file__).parent / "fuzz"
RELATIONAL = (
    "exact_duplicate",
    "key_duplicate",
    "similar_key_duplicate",
    "superseded_by_key",
    "superseded_by_similar_key",
)


def check_of(rule: Rule) -> str:
    names = ("required", "allowed", "forbidden", "pattern", "outlier", "text", "references", "unique", "violated_when")
    return next((name for name in names if getattr(rule, name)), "length" if rule.has_length else "bound")


def test_the_rule_sets_hold_every_check_and_fix() -> None:
    rules = [rule for seed in range(FIRST) for rule in setting_of(seed).clean.rules]
    checks = Counter(check_of(rule) for rule in rules)
    assert min(checks.values()) >= 5 and len(checks) == 11, checks
    fills = Counter(rule.fill for rule in rules if rule.action == "fix")
    assert set(fills) == {None, "mean", "median", "mode", "forward"}, fills
    assert {rule.action for rule in rules if rule.group} == {"fix", "flag", "reject"}


def test_the_lines_reach_every_status_and_reason_of_cleaning_itself() -> None:
    statuses, reasons = Counter[str](), Counter[str]()
    for seed in range(FIRST):
        setting = setting_of(seed)
        for lines in cases_of(seed, setting, cases=3).values():
            for row in expected_rows(lines, setting):
                statuses[row["status"]] += 1
                reasons.update(row["reasons"])
    assert min(statuses[status] for status in STATUSES) >= 20, statuses
    assert min(reasons[reason] for reason in (*RELATIONAL, "torn_line", "unreadable_quantity")) >= 5, reasons


@pytest.mark.parametrize("name", ["reading", "conditions", "judging", "reference"])
def test_the_reference_shares_nothing_with_the_library_but_the_configuration(name: str) -> None:
    tree = ast.parse((FUZZ / f"{name}.py").read_text(encoding="utf-8"))
    modules = {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    allowed = {"clean.fuzz.reading", "clean.fuzz.conditions", "clean.fuzz.judging", "__future__"}
    allowed |= {module for module in modules if module.startswith("ringmill.config.")}
    foreign = {module for module in modules - allowed if module.split(".")[0] in ("ringmill", "pyspark", "clean")}
    assert not foreign
