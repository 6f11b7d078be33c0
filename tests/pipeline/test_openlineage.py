"""Events of OpenLineage: what the specification asks of a RunEvent and of each facet, and what a stage says in them."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import BaseRequestHandler, TCPServer
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from ringmill.config import Config
from ringmill.config.load import dump_whole
from ringmill.config.tracking import OpenLineage
from ringmill.errors import InputError, LawError, LineageError, RaceLost, WarehouseError
from ringmill.lake.ledger import Entry, Ledger
from ringmill.lake.tables import Lake
from ringmill.pipeline.history import exit_status
from ringmill.pipeline.openlineage import emit, ended, run_uuid
from ringmill.pipeline.stage import Result, Run, Stage, execute

# Of each facet that is written: what the specification requires besides _producer and _schemaURL.
REQUIRED = {
    "processing_engine": {"version"},
    "parent": {"run", "job"},
    "errorMessage": {"message", "programmingLanguage"},
    "jobType": {"processingType", "integration"},
    "version": {"datasetVersion"},
    "schema": {"fields"},
}
URI = r"[a-z][a-z0-9+.-]*:\S+"
PARENT = "http://airflow:8080/ringmill_daily.clean/01890000-0000-7000-8000-000000000001"


def check(event: Mapping[str, Any]) -> None:
    """Fails where the event is none by the specification, or names a facet that is not looked at here."""
    assert {"run", "job", "eventTime", "producer", "schemaURL"} <= set(event)
    assert event["eventType"] in ("START", "COMPLETE", "FAIL")
    assert datetime.fromisoformat(event["eventTime"]).tzinfo is not None
    assert re.fullmatch(URI, event["producer"])
    assert re.fullmatch(r"https://openlineage\.io/spec/\d-\d-\d/OpenLineage\.json#/\$defs/RunEvent", event["schemaURL"])
    UUID(event["run"]["runId"])
    named = [event["job"], *event["inputs"], *event["outputs"]]
    assert all(isinstance(one["namespace"], str) and isinstance(one["name"], str) for one in named)
    for one in (event["run"], *named):
        for name, facet in one.get("facets", {}).items():
            assert REQUIRED[name] <= set(facet)
            assert re.fullmatch(URI, facet["_producer"])
            kind = facet["_schemaURL"].rpartition("/")[2]
            assert re.fullmatch(
                rf"https://openlineage\.io/spec/facets/\d-\d-\d/{kind}\.json#/\$defs/{kind}", facet["_schemaURL"]
            )
            if name == "parent":
                UUID(facet["run"]["runId"])
                assert {"namespace", "name"} <= set(facet["job"])
            if name == "schema":
                assert all(isinstance(field["name"], str) for field in facet["fields"])


def run_of(tmp_path: Path, **openlineage: Any) -> Run:
    settings = {"pipeline": "shop", "warehouse": str(tmp_path / "shop"), "texts": {"name": "sms", "path": "p"}}
    settings |= {"train": {"task": {"kind": "classes"}, "model": {"kind": "textcnn"}}}
    return Run(Config.model_validate(settings | {"openlineage": openlineage}))


def stage(run: Run, *, fails: bool = False) -> Stage:
    path = run.lake.path("clean/rows")
    field = pa.field("a", pa.int64(), metadata={"comment": "a number"})
    write_deltalake(path, pa.table({"a": [1]}, schema=pa.schema([field])), mode="append")

    def body(*_: Any) -> Result:
        if fails:
            raise InputError.unreadable("s3://ann:secret@bucket/x", "torn")
        return Result({"rfm/customers": 7}, {}, "done")

    files = [{"name": "day.csv", "sha256": "ab", "bytes": 3}]
    return Stage("rfm", ("ringmill.windows",), lambda _: {}, lambda _: {"clean/rows": 0, "files": files}, body)


def events_of(path: Path) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in events:
        check(event)
    return events


def test_a_stage_is_a_start_and_a_complete_with_versions_schema_and_parent(tmp_path: Path) -> None:
    run = run_of(tmp_path, path=str(tmp_path / "events"), namespace="jobs", parent=PARENT)
    try:
        entry = execute(stage(run), run)
        execute(stage(run), run)
    finally:
        run.close()
    start, complete, *again = events_of(tmp_path / "events")
    assert [event["eventType"] for event in (start, complete, *again)] == ["START", "COMPLETE"] * 2
    assert {event["run"]["runId"] for event in (start, complete)} == {run_uuid(entry)}
    assert (complete["job"]["namespace"], complete["job"]["name"]) == ("jobs", "shop.rfm")
    rows, file = complete["inputs"]
    assert rows["name"] == run.lake.path("clean/rows")
    assert rows["facets"]["version"]["datasetVersion"] == "0"
    assert rows["facets"]["schema"]["fields"] == [{"name": "a", "type": "long", "description": "a number"}]
    assert (file["name"], file["facets"]["version"]["datasetVersion"]) == ("day.csv", "ab")
    assert [one["facets"]["version"]["datasetVersion"] for one in complete["outputs"]] == ["7"]
    parent = complete["run"]["facets"]["parent"]
    assert parent["job"] == {"namespace": "http://airflow:8080", "name": "ringmill_daily.clean"}
    assert parent["run"] == {"runId": PARENT.rpartition("/")[2]}


SHOP: dict[str, Any] = {
    "pipeline": "shop",
    "warehouse": "w",
    "raw": {
        "path": "r",
        "columns": {
            "order_id": "o",
            "product_id": "p",
            "quantity": "q",
            "unit_price": "u",
            "customer_id": "c",
            "ordered_at": "t",
        },
    },
    "features": {"train_cutoffs": ["2024-05-01"]},
}
EXAMPLES: dict[str, Any] = {
    "pipeline": "examples",
    "warehouse": "w",
    "train": {"task": {"kind": "classes", "label": "label"}, "model": {"kind": "textcnn"}},
}


def inputs_of(lake: Lake, stage: str, inputs: dict[str, Any], **sections: Any) -> list[tuple[str, str, str]]:
    """Namespace, name and version of each input dataset of a stage's last event."""
    own = EXAMPLES if sections.keys() & {"images", "texts"} else SHOP
    config = {**own, **{name: {**own.get(name, {}), **section} for name, section in sections.items()}}
    detail = {"config": dump_whole(Config.model_validate(config))}
    entry = Entry("1", "shop", stage, "published", "k", "c", {}, inputs, detail=detail)
    event = ended(OpenLineage(path="e"), lake, entry)
    check(event)
    return [(one["namespace"], one["name"], one["facets"]["version"]["datasetVersion"]) for one in event["inputs"]]


@pytest.mark.parametrize(
    ("path", "name", "namespace", "full"),
    [
        ("/in/day.csv", "day.csv", "file", "/in/day.csv"),
        ("/in/", "2024/day.csv", "file", "/in/2024/day.csv"),
        ("/in/20*/day.csv", "2024/day.csv", "file", "/in/2024/day.csv"),
        ("in", "day.csv", "file", str(Path("in/day.csv").absolute())),
        ("s3://me:hush@bucket/in?region=eu", "day.csv", "s3://bucket", "in/day.csv"),
    ],
)
def test_a_raw_file_is_named_in_full(tmp_path: Path, path: str, name: str, namespace: str, full: str) -> None:
    files = {"raw": [{"name": name, "bytes": 3, "sha256": "ab"}], "quarantined": []}
    assert inputs_of(Lake(str(tmp_path)), "clean", files, raw={"path": path}) == [(namespace, full, "ab")]


def test_a_table_of_exchange_rates_or_of_a_rule_is_named_by_its_own_path(tmp_path: Path) -> None:
    lake, file = Lake(str(tmp_path)), {"bytes": 3, "sha256": "ab"}
    known = {"name": "known", "column": "product_id", "references": {"path": "/ref/products.csv", "column": "id"}}
    found = inputs_of(lake, "clean", {"reference known": [{"name": "products.csv", **file}]}, clean={"rules": [known]})
    assert found == [("file", "/ref/products.csv", "ab")]
    found = inputs_of(
        lake, "rfm", {"rates": [{"name": "ecb.csv", **file}]}, rfm={"currency": {"into": "EUR", "rates": "/rates"}}
    )
    assert found == [("file", "/rates/ecb.csv", "ab")]


def test_files_of_examples_are_named_by_their_places_and_the_hash_of_all(tmp_path: Path) -> None:
    texts = {"name": "sms", "path": "/in/*.csv", "reviewed": "reviews.csv"}
    found = inputs_of(Lake(str(tmp_path)), "texts", {"texts": "ab", "count": 3}, texts=texts)
    assert found == [("file", "/in/*.csv", "ab"), ("file", str(Path("reviews.csv").absolute()), "ab")]
    assert inputs_of(Lake(str(tmp_path)), "generate", {"texts": "/in/*.csv"}, texts=texts) == []
    images = {"name": "clothes", "format": "idx", "path": "s3://in/train", "labels": "file", "label_path": "/in/l"}
    images |= {"decoding": {"height": 2, "width": 2, "channels": 1}}
    found = inputs_of(Lake(str(tmp_path)), "images", {"images": "cd", "count": 3}, images=images)
    assert found == [("s3://in", "train", "cd"), ("file", "/in/l", "cd")]


def test_raw_delta_and_a_table_of_ones_own_are_datasets_with_version_and_columns(tmp_path: Path) -> None:
    lake, path = Lake(str(tmp_path)), str(tmp_path / "lines")
    write_deltalake(path, pa.table({"a": [1]}))
    raw = {"raw": [{"name": "version 0", "bytes": 0, "sha256": "ab"}]}
    assert inputs_of(lake, "clean", raw, raw={"path": path}) == [("file", path, "0")]
    entry = Entry("1", "own", "train", "published", "k", "c", {}, {"table": path, "version": 0, "id": "x"})
    (own,) = ended(OpenLineage(path="e"), lake, entry)["inputs"]
    assert (own["name"], own["facets"]["version"]["datasetVersion"]) == (path, "0")
    assert [field["name"] for field in own["facets"]["schema"]["fields"]] == ["a"]


def test_a_reports_inputs_are_the_tables_and_the_model_that_it_shows(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    detail = {"model": "models/customers/run-1"}
    Ledger(lake).append(Entry("run-1", "shop", "train", "published", "k", "c", {}, {}, detail=detail))
    inputs = {"clean": {"clean/rows": 3}, "train": {"model": "run-1"}, "score": {"scores/customers": 2}}
    found = {(name.removeprefix(f"{tmp_path}/"), version) for _, name, version in inputs_of(lake, "report", inputs)}
    assert found == {("clean/rows", "3"), ("models/customers/run-1", "run-1"), ("scores/customers", "2")}
    weights = {"class_weights": {"model": 1.5, "a/b": 0.5}}
    assert inputs_of(lake, "train_weighted", weights) == []


def test_a_failed_stage_says_why_and_no_password(tmp_path: Path) -> None:
    run = run_of(tmp_path, path=str(tmp_path / "events"))
    try:
        with pytest.raises(InputError):
            execute(stage(run, fails=True), run)
    finally:
        run.close()
    start, fail = events_of(tmp_path / "events")
    assert (start["eventType"], fail["eventType"]) == ("START", "FAIL")
    assert "The raw input cannot be read." in fail["run"]["facets"]["errorMessage"]["message"]
    assert "secret" not in (tmp_path / "events").read_text()


@contextmanager
def serving(handler: type[BaseRequestHandler]) -> Iterator[str]:
    """The address of a server of this process, as http://HOST:PORT."""
    server = TCPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("key", ["hush hush", "hush\nhush", "hüsch", " \n"])
def test_a_key_that_no_header_may_hold_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("LINEAGE_KEY", key)
    section = OpenLineage(url="http://127.0.0.1:9/", key_variable="LINEAGE_KEY")
    with pytest.raises(WarehouseError, match="variable LINEAGE_KEY that is empty, or has") as caught:
        emit(section, {})
    assert "hush" not in str(caught.value)
    assert "hüsch" not in str(caught.value)


def test_a_server_that_answers_by_another_protocol_is_named() -> None:
    class Tls(BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(b"\x15\x03\x01\x00\x02\x02\x46")

    with serving(Tls) as address, pytest.raises(WarehouseError, match="behind https:// is asked by http://"):
        emit(OpenLineage(url=f"{address}/"), {})


def test_a_server_gets_the_events_with_its_key_which_stands_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    got: list[tuple[str | None, dict[str, Any]]] = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.headers["Authorization"], json.loads(body)))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("LINEAGE_KEY", "hush-hush\n")  # as a file of it ends
    with serving(Endpoint) as address:
        run = run_of(tmp_path, url=f"{address}/api/v1/lineage", key_variable="LINEAGE_KEY")
        try:
            execute(stage(run), run)
        finally:
            run.close()
    for key, event in got:
        check(event)
        assert key == "Bearer hush-hush"
        assert "hush-hush" not in json.dumps(event)
    assert [event["eventType"] for _, event in got] == ["START", "COMPLETE"]
    assert "hush-hush" not in str(run.ledger.entries())


def test_an_event_that_cannot_be_written_is_named_before_the_stage_begins(tmp_path: Path) -> None:
    run = run_of(tmp_path, path=str(tmp_path / "nowhere" / "events"))
    try:
        with pytest.raises(LineageError, match="An event of OpenLineage could not be written") as caught:
            execute(stage(run), run)
        assert caught.value.exit_status == 4, "the next try may do"
        assert run.ledger.entries() == []
        missing = run_of(tmp_path, url="http://127.0.0.1:9/", key_variable="NO_SUCH_KEY")
        with pytest.raises(WarehouseError, match="no variable NO_SUCH_KEY"):
            execute(stage(missing), missing)
        missing.close()
    finally:
        run.close()


def test_what_fails_once_a_stage_is_published_is_in_the_ledger_and_the_end_is_still_told(tmp_path: Path) -> None:
    events = tmp_path / "events"
    run = run_of(tmp_path, path=str(events))

    def lose(run: Run, entry: Entry) -> None:
        raise RaceLost.on("models/mine", "another process decides")

    try:
        with pytest.raises(RaceLost):
            execute(replace(stage(run), after=lose), run)
        published, afterwards = run.ledger.entries()
        assert (published.stage, published.outcome) == ("rfm", "published")
        assert (afterwards.stage, afterwards.outcome) == ("after rfm", "failed")
        assert exit_status(run.ledger.entries()) == 5
        assert run.ledger.resolve("rfm").outputs == published.outputs
        assert [event["eventType"] for event in events_of(events)] == ["START", "COMPLETE"]
        # What closed the gate of a model has its own row already.
        with pytest.raises(LawError):
            execute(replace(stage(run), after=_worse), run)
        assert [entry.stage for entry in run.ledger.entries()] == ["rfm", "after rfm", "rfm"]
    finally:
        run.close()


def _worse(run: Run, entry: Entry) -> None:
    raise LawError.worse_model("models/mine", "worse")


def test_a_server_that_is_gone_when_the_stage_ends_leaves_a_row_and_status_4(tmp_path: Path) -> None:
    folder = tmp_path / "told"
    folder.mkdir()
    run = run_of(tmp_path, path=str(folder / "events"))
    try:
        with pytest.raises(LineageError):
            execute(replace(stage(run), after=lambda run, entry: shutil.rmtree(folder)), run)
        assert [entry.stage for entry in run.ledger.entries()] == ["rfm", "after rfm"]
        assert exit_status(run.ledger.entries()) == 4
    finally:
        run.close()
