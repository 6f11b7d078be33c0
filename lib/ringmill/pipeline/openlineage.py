"""Stages as events of OpenLineage: START, then COMPLETE or FAIL, with datasets by version; to a file or an endpoint.

The events are plain JSON of the published specification (2-0-2); nothing of Spark or Airflow has to be installed.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from ringmill import __version__
from ringmill.config.tracking import OpenLineage
from ringmill.errors import LineageError, WarehouseError
from ringmill.errors.credentials import without_credentials
from ringmill.lake.ledger import Entry, Ledger
from ringmill.lake.paths import absolute, lies_at
from ringmill.lake.tables import Lake

PRODUCER = "urn:ringmill:" + __version__
SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACETS = "https://openlineage.io/spec/facets"
# Of what a key is made: printed characters of ASCII.
HEADER_SAFE = re.compile("[!-~]+")
# How a raw Delta table is named among the inputs.
DELTA_VERSION = re.compile(r"version (\d+)")
# Where the sections `images` and `texts` name files. All of a section are compared by one hash of what they hold.
EXAMPLES = {"images": ("path", "label_path", "test_path", "test_label_path"), "texts": ("path", "reviewed")}
Event = dict[str, Any]


def started(section: OpenLineage, lake: Lake, entry: Entry) -> Event:
    """A stage begins; what it reads is not known yet."""
    return _event("START", section, lake, entry)


def ended(section: OpenLineage, lake: Lake, entry: Entry) -> Event:
    """A stage is published or unchanged (COMPLETE), or failed (FAIL), with what the ledger's row says."""
    return _event("FAIL" if entry.outcome == "failed" else "COMPLETE", section, lake, entry)


def run_uuid(entry: Entry) -> str:
    """The id of a stage of a run: the same in all its events, and for whoever knows the run's id."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"ringmill:{entry.run_id}:{entry.stage}"))


def _event(kind: str, section: OpenLineage, lake: Lake, entry: Entry) -> Event:
    facets: dict[str, Any] = {
        "processing_engine": _facet("1-1-0/ProcessingEngineRunFacet", name="ringmill", version=__version__)
    }
    if section.parent is not None:
        namespace, job, run = section.parent.rsplit("/", 2)  # a namespace may be an address
        facets["parent"] = _facet("1-1-0/ParentRunFacet", run={"runId": run}, job={"namespace": namespace, "name": job})
    if kind == "FAIL":
        message = without_credentials(str(entry.detail.get("error", "")))
        facets["errorMessage"] = _facet("1-0-0/ErrorMessageRunFacet", message=message, programmingLanguage="python")
    kind_of_job = {"processingType": "BATCH", "integration": "RINGMILL", "jobType": "STAGE"}
    return {
        "eventType": kind,
        "eventTime": datetime.now(UTC).isoformat(),
        "run": {"runId": run_uuid(entry), "facets": facets},
        "job": {
            "namespace": section.namespace,
            "name": f"{entry.pipeline}.{entry.stage}",
            "facets": {"jobType": _facet("2-0-4/JobTypeJobFacet", **kind_of_job)},
        },
        "inputs": [] if kind == "START" else list(_datasets(lake, entry, entry.inputs, entry.stage)),
        "outputs": [] if kind == "START" else list(_datasets(lake, entry, entry.outputs, entry.stage)),
        "producer": PRODUCER,
        "schemaURL": SPEC,
    }


def _datasets(lake: Lake, entry: Entry, tree: Mapping[str, Any], stage: str) -> Iterator[Event]:
    """Tables and models by name and version, the files of raw input and the places of examples, each as a dataset.

    A report's inputs are the outputs of each stage that it shows; `stage` is the one that `tree` is of.
    """
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _datasets(lake, entry, value, name)
        elif name == "table" and isinstance(tree.get("version"), int):  # one's own, that lies anywhere
            yield _table(str(value), tree["version"])
        elif isinstance(value, int) and not isinstance(value, bool) and "/" in name:
            yield _table(lake.path(name), value)
        elif name == "model" and isinstance(value, str):
            model = value if "/" in value else _model_of(lake, entry, stage, value)
            yield _dataset(lake.path(model), model.rpartition("/")[2], [])
        elif name in EXAMPLES and name == stage and isinstance(value, str):
            section = entry.detail["config"][name]
            yield from (_dataset(absolute(section[key]), value, []) for key in EXAMPLES[name] if section.get(key))
        elif isinstance(value, list):
            files = [one for one in value if isinstance(one, Mapping) and "name" in one]
            yield from (_file(_place(entry, name), file) for file in files)


def _model_of(lake: Lake, entry: Entry, stage: str, run_id: str) -> str:
    """The path under the warehouse of the model that a stage's outputs name by its run."""
    rows = [entry] if stage == entry.stage else reversed(Ledger(lake).entries())
    made = (row.detail["model"] for row in rows if row.stage == stage and "model" in row.detail)
    return next((str(model) for model in made if str(model).endswith(f"/{run_id}")), run_id)


def _place(entry: Entry, name: str) -> str | None:
    """The path that the configuration gives an input of files; None where it gives none."""
    config = entry.detail.get("config", {})
    if name.startswith("reference "):
        rules = {rule["name"]: rule for rule in config["clean"]["rules"]}
        return str(rules[name.removeprefix("reference ")]["references"]["path"])
    if name == "rates":
        return str(config["rfm"]["currency"]["rates"])
    return str(config["raw"]["path"]) if name in ("raw", "quarantined", "changed") and config.get("raw") else None


def _file(place: str | None, file: Mapping[str, Any]) -> Event:
    """A file by its full path and the hash of its bytes; a Delta table that is raw input, by its version."""
    name = str(file["name"])
    if place is None:
        return _dataset(name, str(file.get("sha256", "")), [])
    if (version := DELTA_VERSION.fullmatch(name)) is not None and not file.get("bytes"):
        return _table(absolute(place), int(version[1]))
    return _dataset(lies_at(place, name), str(file.get("sha256", "")), [])


def _table(path: str, version: int) -> Event:
    return _dataset(path, str(version), _fields(path, version))


def _dataset(place: str, version: str, fields: list[dict[str, str]]) -> Event:
    facets: dict[str, Any] = {"version": _facet("1-0-0/DatasetVersionDatasetFacet", datasetVersion=version)}
    if fields:
        facets["schema"] = _facet("1-0-0/SchemaDatasetFacet", fields=fields)
    address = urlsplit(without_credentials(place))
    if address.scheme and address.netloc:
        return {"namespace": f"{address.scheme}://{address.netloc}", "name": address.path.lstrip("/"), "facets": facets}
    return {"namespace": "file", "name": place, "facets": facets}


def _fields(path: str, version: int) -> list[dict[str, str]]:
    """A table's columns with types and meaning; none where the version cannot be read any more."""
    try:
        fields = DeltaTable(path, version=version).schema().fields
    except (DeltaError, OSError):
        return []
    return [
        {
            "name": field.name,
            "type": str(getattr(field.type, "type", "")),
            "description": str(field.metadata.get("comment", "")),
        }
        for field in fields
    ]


def _facet(kind: str, **values: Any) -> Event:
    """A facet with what every one has; `kind` is its version and name in the specification."""
    name = kind.partition("/")[2]
    return {"_producer": PRODUCER, "_schemaURL": f"{FACETS}/{kind}.json#/$defs/{name}", **values}


def emit(section: OpenLineage, event: Event) -> None:
    """Write or send one event.

    Raises:
        WarehouseError: it cannot be. A stage that is published stays so.
    """
    line = json.dumps(event, sort_keys=True)
    try:
        if section.path is not None:
            with Path(section.path).open("a", encoding="utf-8") as file:
                file.write(line + "\n")
            return
        headers = {"Content-Type": "application/json"}
        if section.key_variable is not None:
            headers["Authorization"] = f"Bearer {_key(section, section.key_variable)}"
        request = urllib.request.Request(str(section.url), line.encode(), headers, method="POST")
        with urllib.request.urlopen(request, timeout=section.timeout_seconds):
            pass
    except KeyError as error:
        raise WarehouseError.no_event(str(section.url), f"no variable {section.key_variable}") from error
    except (OSError, urllib.error.URLError) as error:
        raise LineageError.no_event(str(section.path or section.url), str(error)) from error
    except http.client.HTTPException as error:
        problem = f"no answer by HTTP ({type(error).__name__}), as where a server behind https:// is asked by http://"
        raise LineageError.no_event(str(section.url), problem) from error


def _key(section: OpenLineage, variable: str) -> str:
    """The server's key, less the line's end that a file of it has.

    Raises:
        KeyError: there is no such variable.
        WarehouseError: the key is none that a header may hold; it is not shown.
    """
    key = os.environ[variable].strip()
    if HEADER_SAFE.fullmatch(key) is None:
        problem = f"a key in the variable {variable} that is empty, or has characters that no header may hold"
        raise WarehouseError.no_event(str(section.url), problem)
    return key
