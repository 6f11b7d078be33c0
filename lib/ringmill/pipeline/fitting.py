"""Statistics of clean's rules over its runs: which are kept, which are fitted now, and on what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from ringmill.config.columns import types_of
from ringmill.config.models import Config
from ringmill.lake.ledger import Entry
from ringmill.pipeline.intake import Intake
from ringmill.pipeline.progress import Step
from ringmill.pipeline.stage import Run
from ringmill.windows import midnight

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from ringmill.config.rules import Rule


def fit_before(config: Config) -> date | None:
    """The local midnight before which a line is known that statistics are fitted on.

    By default the first cutoff of training: what is filled in or clipped there has seen no label.
    """
    if not any(rule.is_fitted for rule in config.clean.rules):
        return None
    if config.clean.fit_before is not None:
        return config.clean.fit_before
    if config.recommend_section is not None:
        return config.recommend_section.validation_cutoff
    if config.sequences_section is not None:
        return min(config.sequences_section.train_cutoffs)
    return min(config.features.train_cutoffs)


def refits(config: Config) -> bool:
    """Whether statistics are fitted anew on all that is there, whatever is kept."""
    return config.clean.refit and any(rule.is_fitted for rule in config.clean.rules)


def fitted_now(
    run: Run, intake: Intake, step: Step, raw_lines: Callable[[], DataFrame]
) -> tuple[Mapping[str, Any], Sequence[str]]:
    """By rule its statistic, the one that the last published run kept or one fitted on what is cleaned now; and the
    names of those that are fitted now. `raw_lines` gives the lines that are cleaned, where there are any."""
    from ringmill.clean.rows import read_values
    from ringmill.clean.statistics import fitted_of, of_nothing, reading_of, summarise_statistics

    config = run.config
    rules, kept, known_before = rules_to_fit(run)
    if intake.base is not None and not intake.new:
        fitted, rules = intake.base.detail["fitted"], ()
    else:
        new: Mapping[str, Any] = {}
        if rules:
            asked = "anew, as clean.refit asks, " if config.clean.refit else ""
            day = fit_before(config)
            step.say(f"fitting statistics of {len(rules)} rule(s) {asked}on lines known before {day}")
            values = read_values(raw_lines(), raw=config.raw, zone=config.zone)
            found = summarise_statistics(values, rules, known_before).collect()
            reading = reading_of(config.raw, config.zone)
            new = fitted_of(found, rules, known_before, types=types_of(config.raw), reading=reading)
        fitted = {rule.name: new.get(rule.name) or kept[rule.name] for rule in config.clean.rules if rule.is_fitted}
    if idle := of_nothing(fitted):
        step.say(
            f"nothing to fit {', '.join(idle)} on, no value is of a line known before {fit_before(config)}: such a "
            "rule leaves every row as it is, and is fitted again with the next batch"
        )
    return fitted, [rule.name for rule in rules]


def rules_to_fit(run: Run) -> tuple[Sequence[Rule], Mapping[str, Any], datetime | None]:
    """The rules whose statistics this run fits, those that the last published run kept, and until when they see.

    What was fitted on no value is not kept.
    """
    from ringmill.clean.statistics import of_nothing, reading_of, to_fit

    day = fit_before(run.config)
    known_before = midnight(day, run.config.zone) if day else None
    last = run.ledger.published("clean")
    found = last.detail.get("fitted", {}) if last else {}
    kept = {name: state for name, state in found.items() if name not in of_nothing(found)}
    return to_fit(run.config.clean, kept, known_before, reading_of(run.config.raw, run.config.zone)), kept, known_before


def are_first(fitted: Mapping[str, Any], base: Entry | None) -> bool:
    """Whether a rule has a statistic now without which the rows of earlier batches were judged."""
    from ringmill.clean.statistics import of_nothing

    return base is not None and not set(of_nothing(base.detail["fitted"])) <= set(of_nothing(fitted))
