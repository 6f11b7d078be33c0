"""What `ringmill runs`, `show`, `lineage` and `diff` say, from a ledger written by hand."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ringmill import cli
from ringmill.config import load
from ringmill.errors import InputError
from ringmill.lake.ledger import Entry, Ledger
from ringmill.lake.tables import Lake
from ringmill.pipeline.history import MOST_FILES, exit_status, ledger_of, run_of

CLEAN = Entry(
    run_id="20240101T000000-aaaaaa",
    pipeline="shop",
    stage="clean",
    outcome="published",
    key="k1",
    code="c1",
    configuration={"zone": "UTC", "clean": {"key": ["line_id"]}},
    inputs={"raw": [{"name": f"{place:02}.csv", "sha256": f"{place:064}"} for place in range(MOST_FILES + 2)]},
    outputs={"clean/rows": 3},
    counts={"raw": 10, "clean": 9},
    laws={"law 1": {"raw": 10}},
    detail={"summary": "10 lines"},
    started_at=datetime(2024, 1, 1, tzinfo=UTC),
    seconds=1.5,
    host="here",
    user="ann",
)
FEATURES = replace(
    CLEAN, stage="features", inputs={"clean/rows": 3}, outputs={"features/customers": 1}, counts={"train": 4}
)
TRAIN = replace(
    CLEAN,
    stage="train",
    inputs={"features/customers": 1, "state": "hash-of-state"},
    outputs={"model": CLEAN.run_id},
    detail={"model": f"models/customers/{CLEAN.run_id}", "summary": "trained"},
)
SCORE = replace(
    CLEAN,
    stage="score",
    inputs={"clean/rows": 3, "model": f"models/customers/{CLEAN.run_id}"},
    outputs={"scores/customers": 7},
)
SECOND = replace(
    CLEAN,
    run_id="20240102T000000-bbbbbb",
    started_at=datetime(2024, 1, 2, tzinfo=UTC),
    configuration={"zone": "Europe/London", "clean": {"key": ["line_id"]}},
    outputs={"clean/rows": 4},
    counts={"raw": 12, "clean": 9},
    key="k2",
)
FAILED = replace(
    SECOND,
    stage="train",
    outcome="failed",
    outputs={},
    detail={"error": "Rank 1 was lost.\n  where:    step 3", "exit_status": 4, "summary": ""},
)
ALL = (CLEAN, FEATURES, TRAIN, SCORE, SECOND, FAILED)


@pytest.fixture
def said(tmp_path, monkeypatch, capsys):
    """A function that runs a command on a warehouse with ALL in its ledger, and gives its status and its lines."""
    ledger = Ledger(Lake(str(tmp_path / "shop")))
    for place, entry in enumerate(ALL):
        ledger.append(replace(entry, started_at=entry.started_at.replace(second=place)))

    def run(*words, warehouse=tmp_path):
        monkeypatch.setattr(sys, "argv", ["ringmill", *words, "--warehouse", str(warehouse)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out + captured.err

    return run


def test_runs_are_listed_newest_first_with_what_failed_and_its_status(said):
    status, text = said("runs")
    _, second, first = text.splitlines()
    assert status == 0
    assert second.split() == [
        SECOND.run_id,
        "2024-01-02",
        "00:00:04",
        "shop",
        "clean,",
        "train",
        "failed",
        "4",
        "3.0",
        "ann@here",
    ]
    assert first.startswith(CLEAN.run_id)
    assert "clean, features, train, score" in first
    assert said("runs", "--last", "1")[1].splitlines()[1].split() == second.split()
    assert len(said("runs", "--last", "1")[1].splitlines()) == 2


def test_a_run_is_shown_by_the_beginning_of_its_id_and_ends_with_its_status_where_that_is_asked_for(said):
    status, text = said("show", "20240102", "--exit-status")
    assert status == 4
    for words in ("pipeline shop", "by ann on here", "clean: published, 1.5 s", "clean/rows = 4", "raw = 12"):
        assert words in text
    assert "zone = Europe/London" in text
    assert "Rank 1 was lost." in text
    assert "where:    step 3" in text
    assert said("show", "20240102")[0] == 0
    assert said("show", "20240101", "--exit-status")[0] == 0


def test_a_failed_run_of_before_the_ledger_kept_the_status_is_one_that_failed_unforeseen():
    row = {**FAILED.to_row(), "detail": json.dumps({"error": "Rank 1 was lost.", "summary": ""})}
    assert exit_status([SECOND, Entry.from_row(row)]) == 1


def test_a_run_as_json_is_what_the_ledger_keeps(said):
    _, text = said("show", CLEAN.run_id, "--json")
    found = json.loads(text)
    assert found["exit_status"] == 0
    assert list(found["stages"]) == sorted(["clean", "features", "train", "score"])
    assert found["stages"]["clean"]["configuration"] == CLEAN.configuration
    assert found["stages"]["train"]["inputs"] == TRAIN.inputs


def test_lineage_goes_from_scores_through_the_model_to_the_raw_files(said):
    _, text = said("lineage", "scores/customers")
    lines = text.splitlines()
    assert lines[0].startswith("scores/customers@7 ← score of 20240101T000000-aaaaaa")
    depth = {line.lstrip("│ ├└─").split(" ← ")[0]: len(line) - len(line.lstrip("│ ├└─")) for line in lines}
    model = f"models/customers@{CLEAN.run_id}"
    assert depth["scores/customers@7"] < depth[model] < depth["features/customers@1"] < depth["clean/rows@3"]
    assert "state hash-of-state" in depth
    assert (
        text.count("raw 00.csv, sha256 0000000000000000") == 2
    )  # of the rows that were scored, and of those learnt from
    assert "raw: 2 more files" in text
    assert "clean/rows@4" not in text


def test_lineage_of_a_version_is_of_that_version_and_without_one_of_the_last(said):
    assert said("lineage", "clean/rows@3")[1].startswith(f"clean/rows@3 ← clean of {CLEAN.run_id}")
    assert said("lineage", "clean/rows")[1].startswith(f"clean/rows@4 ← clean of {SECOND.run_id}")
    assert said("lineage", "models/customers")[1].startswith(f"models/customers@{CLEAN.run_id}")


def test_two_runs_differ_where_their_facts_do_and_nowhere_else(said):
    _, text = said("diff", "20240101", "20240102")
    rows = [line.split() for line in text.splitlines()[1:]]
    of_clean = {row[1]: row[2:] for row in rows if row[0] == "clean"}
    assert of_clean == {
        "configuration.zone": ["UTC", "Europe/London"],
        "outputs.clean/rows": ["3", "4"],
        "counts.raw": ["10", "12"],
    }
    assert ["score", "outputs.scores/customers", "7", "–"] in rows


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("show", "2024"), "No single run is meant by '2024'"),
        (("show", "1999"), "No single run is meant by '1999'"),
        (("lineage", "clean/rows@9"), "No run published clean/rows in version 9"),
        (("lineage", "scores/nobody"), "No run published scores/nobody"),
    ],
)
def test_law_10_what_is_not_there_is_named_with_what_is(said, words, says):
    status, text = said(*words)
    assert status == 2
    assert says in text
    assert "received:" in text


def test_a_command_ends_with_one_json_line_that_names_run_stages_and_error(tmp_path, monkeypatch, capsys):
    conf = Path(__file__).parents[2] / "conf" / "default.yaml"
    monkeypatch.setattr(sys, "argv", ["ringmill", "rfm", str(conf), "--warehouse", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert (ended.value.code, found["exit_status"], found["stages"]) == (2, 2, {})
    assert found["error"]["what"] == "The stage 'clean' has published nothing yet."
    (row,) = Ledger(Lake(str(tmp_path))).entries()
    assert (row.run_id, row.outcome, row.detail["exit_status"]) == (found["run_id"], "failed", 2)


SHOP = Path(__file__).parents[2] / "conf" / "default.yaml"


@pytest.mark.parametrize(
    ("words", "status", "what"),
    [
        (["clean", "nowhere.yaml"], 2, "The configuration cannot be read."),
        (["run", str(SHOP), "--set", "trian.batch=1"], 2, "Unknown key 'trian' in the configuration."),
        (["rfm", str(SHOP), "--run-id", "a/b"], 2, "The value of '--run-id' cannot be used."),
        (["run", str(SHOP), "--run-id", "a/b"], 2, "The value of '--run-id' cannot be used."),
        (["generate", str(SHOP), "--run-id", "a/b"], 2, "The value of '--run-id' cannot be used."),
        (["rfm", str(SHOP), "--warehouse", "/proc/nowhere"], 2, "The warehouse cannot be written."),
        (["score"], 2, "The command cannot be read."),
        (["score", str(SHOP), "--sett", "a=b"], 2, "The command cannot be read."),
    ],
)
def test_what_ends_before_a_run_begins_says_so_in_one_json_line(tmp_path, monkeypatch, capsys, words, status, what):
    where = [] if "--warehouse" in words or len(words) < 2 else ["--warehouse", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["ringmill", *words, *where])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert (ended.value.code, found["exit_status"], found["run_id"], found["stages"]) == (status, status, None, {})
    assert found["error"]["what"] == what
    assert found["error"]["todo"]


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), 130), (RuntimeError("torn"), 1)])
def test_what_is_interrupted_or_fails_unforeseen_says_so_in_one_json_line(monkeypatch, tmp_path, capsys, error, status):
    def failing(*_):
        raise error

    monkeypatch.setattr("ringmill.pipeline.run.execute", failing)
    monkeypatch.setattr(sys, "argv", ["ringmill", "rfm", str(SHOP), "--warehouse", str(tmp_path), "--run-id", "mine"])
    with pytest.raises((SystemExit, RuntimeError)):
        cli.main()
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert (found["run_id"], found["exit_status"], found["pipeline"]) == ("mine", status, load(SHOP).pipeline)
    assert found["error"]["what"]


def test_help_and_what_asks_the_ledger_end_without_that_line(said, monkeypatch, capsys):
    assert "exit_status" not in said("runs")[1]
    monkeypatch.setattr(sys, "argv", ["ringmill", "run", "--help"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert (ended.value.code, "exit_status" in capsys.readouterr().out) == (0, False)


def test_a_folder_stands_for_the_one_warehouse_in_it(tmp_path):
    for name in ("one", "two"):
        Ledger(Lake(str(tmp_path / name))).append(CLEAN)
        if name == "one":
            assert ledger_of(str(tmp_path)).entries() == [CLEAN]
            assert run_of(ledger_of(str(tmp_path / name)).entries(), CLEAN.run_id) == [CLEAN]
    with pytest.raises(InputError, match="More than one warehouse"):
        ledger_of(str(tmp_path))
    with pytest.raises(InputError, match="no run ledger"):
        ledger_of(str(tmp_path / "one" / "ledger"))


@pytest.mark.parametrize(("words", "status"), [(["runs"], 0), (["show", "20240102", "--exit-status"], 4), (["run"], 2)])
def test_what_aborts_a_process_that_is_ending_does_not_change_its_status(said, tmp_path, words, status):
    program = f"""
import atexit, ctypes, os, sys
from ringmill.cli import command
dying = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: os.abort())
ctypes.CDLL(None).__cxa_atexit(dying, None, None)
atexit.register(lambda: print("all that Python leaves to the end"))
sys.argv = ["ringmill", *{words!r}]
command()
"""
    env = {**os.environ, "RINGMILL_WAREHOUSE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env)
    assert done.returncode == status, done.stderr
    assert done.stdout.splitlines()[-1] == "all that Python leaves to the end"
    assert (SECOND.run_id in done.stdout) == (status != 2)
