"""What follows for Ringmill's tasks from their day and from what the ledger says of a run; knows nothing of Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

CHOSEN = ("features", "features.train_cutoffs", "features.horizon_days")


def arguments(params: Mapping[str, Any], until: date, *, of: str) -> list[str]:
    """The stage's command line: files up to the day, and everything as of the midnight that ends it."""
    cutoff = until + timedelta(days=1)
    settings = ["raw.batches=files", f"raw.up_to={until}"]
    # Cleaning depends on no cutoff; with another one each day it would begin anew each day.
    if of != "clean":
        settings += [f"rfm.cutoff={cutoff}", f"score.cutoff={cutoff}"]
        if (horizon := params["horizon_days"]) is not None:
            firsts = ", ".join(map(str, learnt_from(params, until)))
            settings += [f"features.horizon_days={horizon}", f"features.train_cutoffs=[{firsts}]"]
    settings += params["settings"]
    raw = ["--raw", params["raw"]] if params["raw"] else []
    sets = [part for setting in settings for part in ("--set", setting)]
    return [params["conf"], "--warehouse", params["warehouse"], *raw, *sets]


def learnt_from(params: Mapping[str, Any], until: date) -> list[date]:
    """The cutoffs of features: the first of the last `months` that lie `horizon_days` back at the day's end."""
    return month_starts(until + timedelta(days=1) - timedelta(days=params["horizon_days"]), params["months"])


def too_early(params: Mapping[str, Any], until: date, clean: Mapping[str, Any] | None, zone: ZoneInfo) -> str | None:
    """Why nothing can be learnt yet of what the run `clean` found; None where it can, or the cutoffs are a person's."""
    first = clean["stages"]["clean"]["detail"].get("first_event_at") if clean is not None else None
    chosen = any(setting.split("=")[0].strip() in CHOSEN for setting in params["settings"])
    if first is None or chosen or params["horizon_days"] is None:
        return None
    cutoff = learnt_from(params, until)[0]
    if datetime.combine(cutoff, time.min, zone) > datetime.fromisoformat(first):
        return None
    return (
        f"nothing to learn from yet: the first cutoff is {cutoff}, {params['months']} months and "
        f"{params['horizon_days']} days back, and the first event lies at {first}"
    )


def month_starts(last: date, count: int) -> list[date]:
    """The first days of the last `count` months that have begun on `last`, the earliest first."""
    number = last.year * 12 + last.month - 1
    return [date(each // 12, each % 12 + 1, 1) for each in range(number - count + 1, number + 1)]


def passed(run: Mapping[str, Any]) -> bool:
    """Whether a run did all it was to do, and the model that it trained or found trained is current.

    Whoever was ended between a training's row and the decision about its model has left no decision. A training that
    was found done has none either where its model was decided of before: the pointer says how.
    """
    decided = run["stages"].get("promote", {}).get("outcome")
    train = run["stages"].get("train", {})
    if run["exit_status"] != 0 or decided == "kept":
        return False
    if train.get("outcome") == "unchanged":
        return _is_current(run, train["detail"]["model"])
    return train.get("outcome") != "published" or decided == "published"


def _is_current(run: Mapping[str, Any], model: str) -> bool:
    return model in run["current"].values()


def told(stage: str, run: Mapping[str, Any] | None) -> str:
    """What a person needs to know of a run that did not pass its gate."""
    if run is None:
        return f"{stage} ended before the ledger had a row of it: its own log says why"
    kept = [str(each["detail"].get("error") or each["detail"].get("summary")) for each in run["stages"].values()]
    model = run["stages"].get("train", {}).get("detail", {}).get("model")
    if model is not None and not _is_current(run, model):
        kept.append(f"{model} is not current; `ringmill promote {model.rpartition('/')[2]}` makes it so all the same")
    return "\n".join([f"{stage} of run {run['run_id']} ended with status {run['exit_status']}", *kept])


def name_of(run: Mapping[str, Any] | None) -> str:
    """What the features, and the models on them, are called in the pipeline whose features a run made."""
    outputs = run["stages"]["features"]["outputs"] if run is not None else {}
    names = [table.removeprefix("features/") for table in outputs if table.startswith("features/")]
    return names[0] if names else "customers"
