"""The engine 'mirrored' on two logical CPU devices: what the ring gives, in one process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from handoff.tables import features_table, write_table
from ringmill.config.train import Train
from ringmill.train.launch.local import LocalLauncher
from ringmill.train.spec import TrainResult
from train.runs import killer, largest_difference, rank_processes, run, spec_of

MIRRORED = {"ranks": 2, "engine": "mirrored", "launcher": "local"}


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"launcher": "barrier"}, "train.launcher: local with train.engine: mirrored"),
        ({"launcher": "hosts", "hosts": ("a", "b")}, "train.launcher: local with train.engine: mirrored"),
        ({"order": "striped"}, "train.order: global with train.engine: mirrored"),
        ({"timeline": True}, "train.timeline: false with train.engine: mirrored"),
    ],
)
def test_what_one_process_of_replicas_cannot_do_is_refused_by_name(other: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Train(**{**MIRRORED, **other})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("mirrored")
    write_table(home / "table", features_table(260, seed=5))
    return home


@pytest.fixture(scope="module")
def mirrored(home: Path) -> TrainResult:
    return run(spec_of(str(home / "table"), home / "mirrored", **MIRRORED))


@pytest.mark.ring
def test_laws_4_5_and_6_hold_between_the_engines(home: Path, mirrored: TrainResult) -> None:
    ring = run(spec_of(str(home / "table"), home / "ring", ranks=2))
    assert mirrored.manifest["plan"] == ring.manifest["plan"]
    assert mirrored.manifest["plan"]["steps_per_epoch"] * mirrored.manifest["epochs"] >= 50
    assert mirrored.manifest["laws"]["4"] == ring.manifest["laws"]["4"]
    assert mirrored.manifest["laws"]["5"] == {"ranks_with_bit_equal_weights": 2}
    assert largest_difference(mirrored.folder, ring.folder) <= 1e-9
    for split in ("train", "validation", "test"):
        assert mirrored.manifest["metrics"][split] == pytest.approx(ring.manifest["metrics"][split], rel=1e-9)
    for name in ("loss", "val_loss"):
        losses, expected = ([epoch[name] for epoch in result.history] for result in (mirrored, ring))
        assert losses == pytest.approx(expected, rel=1e-9)


@pytest.mark.ring
@pytest.mark.long
def test_law_7_a_killed_process_of_replicas_is_made_good(home: Path, mirrored: TrainResult) -> None:
    folder = home / "killed"
    spec = spec_of(str(home / "table"), folder, retries=1, **MIRRORED)
    result = run(spec, LocalLauncher(), killer(folder, rank=0, epoch=7))
    events = [json.loads(line)["event"] for line in (folder / "progress.jsonl").read_text().splitlines()]
    assert {"retry", "resumed"} <= set(events)
    assert result.manifest["final_weights_sha256"] == mirrored.manifest["final_weights_sha256"]
    assert rank_processes(folder) == {}


@pytest.mark.ring
@pytest.mark.parametrize(
    "section",
    [
        {"optimizer": {"kind": "sgd", "momentum": 0.9, "clip_norm": 0.05, "passes": 3}},
        pytest.param({"dtype": "mixed_float16"}, marks=pytest.mark.long),
    ],
    ids=["clipped in passes", "float16"],
)
def test_law_5_holds_between_the_engines_for_what_the_optimizer_decides_from_gradients(
    section: dict[str, object], home: Path
) -> None:
    name = "-".join(section)
    found = run(spec_of(str(home / "table"), home / f"m-{name}", **MIRRORED, epochs=4, **section))
    ring = run(spec_of(str(home / "table"), home / f"r-{name}", ranks=1, epochs=4, **section))
    exact = "dtype" not in section
    assert largest_difference(found.folder, ring.folder) <= (1e-9 if exact else 0.05)
