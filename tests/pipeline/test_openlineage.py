"""Events of OpenLineage: what the specification asks of a RunEvent and of each facet, and what a stage says in them."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
from ringmill.config.tracking import OpenLineage
from ringmill.errors import InputError, WarehouseError
from ringmill.pipeline.openlineage import emit, run_uuid
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
        with pytest.raises(WarehouseError, match="An event of OpenLineage could not be written"):
            execute(stage(run), run)
        assert run.ledger.entries() == []
        missing = run_of(tmp_path, url="http://127.0.0.1:9/", key_variable="NO_SUCH_KEY")
        with pytest.raises(WarehouseError, match="no variable NO_SUCH_KEY"):
            execute(stage(missing), missing)
        missing.close()
    finally:
        run.close()
