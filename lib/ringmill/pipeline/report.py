"""Stage report: the published tables, the model's folder and the ledger → one HTML page under reports/."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.contracts import QUALITY_RUNS, RFM_COHORTS, RFM_CUSTOMERS, SCORES
from ringmill.doctor import versions
from ringmill.lake.ledger import Entry
from ringmill.pipeline.progress import Step
from ringmill.pipeline.quality import profile_of, quality_rows
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.report import sections
from ringmill.report.cohorts import cohorts
from ringmill.report.evaluate import Floats, Interval, bootstrap, compare_spend, spend_deciles
from ringmill.report.groups import segments
from ringmill.report.lifetime import lifetime
from ringmill.report.page import Card, Section, render
from ringmill.report.quality import quality
from ringmill.train.metrics import auc, calibration, roc_points

STAGES = ("clean", "rfm", "features", "train", "score")


def configuration_of(config: Config) -> Mapping[str, Any]:
    """What decides a page beside the tables that it shows."""
    return {"report": dump(config.report), "seed": config.seed, "pipeline": config.pipeline}


def _configuration(config: Config) -> Mapping[str, Any]:
    features = config.features
    drawn = {"horizon_days": features.horizon_days, "train_cutoffs": features.train_cutoffs}
    return {**configuration_of(config), "features": drawn}


def of_scores(run: Run, entries: Mapping[str, Entry]) -> tuple[dict[str, Entry], str]:
    """The rows of a page with, as 'train', the training of the model that scored; and what is to be said of another one
    that was trained last, '' where there is none."""
    scored_with, last = run.ledger.training_of(entries["score"].inputs["model"]), entries["train"]
    words = (
        ""
        if scored_with.detail["model"] == last.detail["model"]
        else f" The scores are by the model of run {scored_with.run_id}, and so are all figures of a model here. "
        f"Another one was trained last, by run {last.run_id}: no score is by it."
    )
    return {**entries, "train": scored_with}, words


def _inputs(run: Run) -> Mapping[str, Any]:
    return {name: run.ledger.resolve(name).outputs for name in STAGES}


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    entries, other = of_scores(run, {name: run.ledger.resolve(name) for name in STAGES})
    step.say("drawing the page")
    customers = _snapshot(run, entries["rfm"], RFM_CUSTOMERS.path, entries["rfm"].detail["cutoff"])
    scores = run.lake.read_arrow(SCORES.path, entries["score"].outputs[SCORES.path])
    parts = [sections.intake(entries["clean"].counts)]
    if "detection" in entries["clean"].detail:
        parts.append(sections.detection(entries["clean"].detail["detection"]))
    if QUALITY_RUNS.path in entries["clean"].outputs:  # an earlier release published none
        parts.append(_quality(run, entries["clean"]))
    parts += customer_sections(run, entries["rfm"], customers)
    parts += _model_sections(run, entries["train"], other)
    parts.append(sections.at_risk(_at_risk(run, customers, scores), run.config.report.currency))
    parts.append(accounts_of(entries))
    page = render(
        title=run.config.report.title,
        subtitle=_subtitle(run, entries),
        cards=_cards(run, entries, customers, scores),
        sections=parts,
    )
    return keep_page(run, page)


def _snapshot(run: Run, rfm: Entry, table: str, cutoff: str) -> pa.Table:
    """The rows of one of rfm's tables as of one cutoff."""
    only = [("cutoff", "=", date.fromisoformat(cutoff))]
    return run.lake.read_arrow(table, rfm.outputs[table], where=only)


def customer_sections(run: Run, rfm: Entry, customers: pa.Table) -> list[Section]:
    """Segments beside the last snapshot before, cohorts and lifetime value, of what a row of the ledger published."""
    cutoff, currency = rfm.detail["cutoff"], run.config.report.currency
    before = max((other for other in rfm.detail["snapshots"] if other < cutoff), default=None)
    groups = segments(
        customers,
        _snapshot(run, rfm, RFM_CUSTOMERS.path, before) if before else None,
        cutoff=cutoff,
        previous_cutoff=before,
        clusters=_words(rfm.detail["clusters"]),
    )
    months = _snapshot(run, rfm, RFM_COHORTS.path, cutoff)
    foreseen = _snapshot(run, rfm, "rfm/lifetime", cutoff)
    return [
        groups,
        cohorts(months, cutoff=date.fromisoformat(cutoff), currency=currency),
        lifetime(rfm.detail["lifetime"], customers, foreseen, currency),
    ]


def _words(clusters: Mapping[str, Any] | None) -> str:
    if clusters is None:
        return "There are too few different customers for clusters."
    k = len(clusters["names"])
    tried = ", ".join(f"{row['k']:.0f}: {row['silhouette']:.2f}" for row in clusters["tried"])
    return (
        f"{k} clusters of recency, frequency and monetary value, named by their centres. A cluster near "
        f"one of the last run's keeps its name. Silhouette by number of clusters: {tried}."
    )


def _subtitle(run: Run, entries: Mapping[str, Entry]) -> str:
    clean = entries["clean"].detail
    first, last = (date.fromisoformat(clean[key][:10]) for key in ("first_event_at", "last_event_at"))
    return f"Pipeline {run.config.pipeline}: orders from {first:%d %B %Y} to {last:%d %B %Y}, batch {clean['batch']}."


def _cards(run: Run, entries: Mapping[str, Entry], customers: pa.Table, scores: pa.Table) -> list[Card]:
    counts = entries["clean"].counts
    days = _learnt(run, entries["train"])["horizon_days"]
    currency = f" ({run.config.report.currency})" if run.config.report.currency else ""
    return [
        Card(sections.whole(counts["raw"]), "lines came in"),
        Card(sections.share(counts["clean"], counts["raw"]), "of them kept"),
        Card(sections.whole(customers.num_rows), "customers"),
        Card(sections.whole(customers["spend_total"].to_numpy().sum()), f"revenue before cancellations{currency}"),
        Card(sections.whole(scores["buy_probability"].to_numpy().sum()), f"customers expected to buy in {days} days"),
        Card(
            sections.whole(scores["expected_spend"].to_numpy().sum()), f"expected to be spent in {days} days{currency}"
        ),
    ]


def _quality(run: Run, entry: Entry) -> Section:
    batches, rules = quality_rows(run, entry)
    return quality(profile_of(run, entry), rules, entry.detail["gates"], batches)


def _learnt(run: Run, trained: Entry) -> Mapping[str, Any]:
    """The section `features` by which a model was trained; of a row of an older version the one of now."""
    found: Mapping[str, Any] = trained.detail.get("config", {}).get("features") or dump(run.config.features)
    return found


def _model_sections(run: Run, trained: Entry, other: str) -> list[Section]:
    folder = Path(run.lake.path(trained.detail["model"]))
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    history = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    test = pq.read_table(folder / "evaluation.parquet")
    column = {name: test[name].to_numpy() for name in test.column_names}
    plan = manifest["plan"]
    words = (
        f"{plan['rows']['train']:,} rows, {manifest['features']} features, {plan['ranks']} ranks, global batch "
        f"{plan['batch']}: {plan['steps_per_epoch']} steps an epoch, every row exactly once. The weights of epoch "
        f"{manifest['best_epoch']} were kept, after {manifest['epochs']} epochs.{other}"
    )
    learnt = _learnt(run, trained)
    return [
        sections.training(history, manifest["best_epoch"], words),
        _repurchase(run, column, learnt),
        _spend(run, column, learnt["horizon_days"]),
    ]


def _repurchase(run: Run, column: Mapping[str, Floats], learnt: Mapping[str, Any]) -> Section:
    label, ones = column["label_buy"], np.ones(len(column["label_buy"]))
    rankings = {
        "Ringmill's network": column["buy_probability"],
        "logistic regression": column["logistic_probability"],
        **({"BG/NBD": column["bgnbd_probability"]} if "bgnbd_probability" in column else {}),
    }
    probabilities = tuple(rankings)
    rankings["days since last order"] = -column["days_since_last_order"]
    curves, aucs = {}, {}
    for name, score in rankings.items():
        points = roc_points(score, label, ones)
        curves[name] = ([x for x, _ in points], [y for _, y in points])
        aucs[name] = _auc_interval(score, label, seed=run.config.seed)
    calibrated = {
        name: [
            (bin_["predicted"], bin_["actual"], int(bin_["weight"])) for bin_ in calibration(score, label, ones, bins=8)
        ]
        for name, score in ((name, rankings[name]) for name in probabilities)
    }
    return sections.repurchase(
        aucs,
        curves,
        calibrated,
        rows=len(label),
        bought=float(label.mean()),
        horizon_days=learnt["horizon_days"],
        learnt_after=", ".join(map(str, learnt["train_cutoffs"])),
    )


def _auc_interval(score: Floats, label: Floats, *, seed: int) -> Interval:
    def area(rows: Any) -> float:
        found = auc(score[rows], label[rows], np.ones(len(rows)))
        return float("nan") if found is None else found

    return bootstrap(area, len(label), seed=seed)


def _spend(run: Run, column: Mapping[str, Floats], horizon_days: int) -> Section:
    actual = column["label_spend"]
    forecasts = compare_spend(
        {
            "Ringmill's network": column["expected_spend"],
            **_by_models(column),
            f"the same as the last {horizon_days} days": column["recent_spend"],
            "the training mean for everyone": column["training_mean_spend"],
        },
        actual,
    )
    total = bootstrap(lambda rows: float(actual[rows].sum()), len(actual), seed=run.config.seed)
    inside = total.low <= forecasts[0].total <= total.high
    largest = np.sort(actual)[-max(1, len(actual) // 10) :].sum()
    verdict = (
        "The network's total lies within that interval."
        if inside
        else f"The network's total lies outside it; the top tenth spent {sections.share(largest, actual.sum())} of all."
    )
    return sections.spend(spend_deciles(column["expected_spend"], actual), forecasts, total, verdict)


def _by_models(column: Mapping[str, Floats]) -> dict[str, Floats]:
    spend = column.get("bgnbd_spend")
    return {} if spend is None or np.isnan(spend).any() else {"BG/NBD and Gamma-Gamma": spend}


def _at_risk(run: Run, customers: pa.Table, scores: pa.Table) -> list[Mapping[str, Any]]:
    """Customers with a chance to buy below one half, by net spend so far × chance of staying away, highest first."""
    joined = customers.join(
        scores.select(["customer_id", "buy_probability", "expected_spend"]), "customer_id", join_type="inner"
    )
    joined = joined.filter(pc.field("buy_probability") < 0.5)
    loss = joined["spend_net"].to_numpy() * (1.0 - joined["buy_probability"].to_numpy())
    order = np.lexsort((joined["customer_id"].to_numpy(zero_copy_only=False), -loss))
    rows: list[Mapping[str, Any]] = joined.take(order[: run.config.report.top_customers]).to_pylist()
    return rows


def accounts_of(entries: Mapping[str, Entry]) -> Section:
    """How the stages went, the laws that they checked, and the versions of what ran."""
    stages = [[e.stage, e.outcome, f"{e.seconds:.1f}", str(e.detail["summary"])] for e in entries.values()]
    laws = [
        [law, entry.stage, ", ".join(f"{key} {value}" for key, value in proof.items())]
        for entry in entries.values()
        for law, proof in entry.laws.items()
    ]
    return sections.accounts(stages, laws, versions())


def keep_page(run: Run, page: str) -> Result:
    """Write the page as the run's report."""
    path = Path(run.lake.path(f"reports/{run.run_id}.html"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return Result(
        outputs={}, counts={"bytes": len(page)}, summary=f"{len(page):,} characters", detail={"path": str(path)}
    )


def page_is_there(run: Run, entry: Entry) -> bool:
    """Whether nobody has removed the page."""
    return Path(entry.detail["path"]).is_file()


REPORT = Stage("report", ("ringmill.pipeline.report",), _configuration, _inputs, _body, page_is_there)
