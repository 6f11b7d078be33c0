"""Pulses to verdicts: the watch by a clock of its own, and what a rank tells."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from handoff.tables import features_table, write_table
from ringmill.handoff.manifest import pin_splits
from ringmill.handoff.plan import row_ranges
from ringmill.handoff.read import batches
from ringmill.handoff.storage import Opened
from ringmill.train.launch.watch import LEAST_SECONDS, PulseWatch
from ringmill.train.pulse import Doing, Pulse


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(clock: Clock) -> PulseWatch:
    return PulseWatch(5.0, clock)


TRAINING = asdict(Doing("training", epoch=3, step=7, file="/t/part-1.parquet", moves=9))


def test_a_rank_whose_pulse_stops_has_stalled_and_where_it_was_is_said(watch: PulseWatch, clock: Clock) -> None:
    watch.hear(TRAINING)
    clock.now += 5.0
    assert watch.stall() is None
    clock.now += 1.0
    stall = watch.stall()
    assert stall is not None
    assert (stall.epoch, stall.step, stall.file) == (3, 7, "/t/part-1.parquet")
    assert stall.words == (
        "its pulse stopped 6 s ago, in phase 'training', epoch 3, step 7; the file it opened last is /t/part-1.parquet"
    )


def test_a_rank_that_pulses_and_gets_no_further_has_stalled(watch: PulseWatch, clock: Clock) -> None:
    for _ in range(6):
        watch.hear(TRAINING)
        clock.now += 1.0
    stall = watch.stall()
    assert stall is not None
    assert stall.sign == "it has not moved for 6 s"


def test_a_rank_that_waits_for_others_has_not_stalled_however_long(watch: PulseWatch, clock: Clock) -> None:
    for _ in range(600):
        watch.hear(TRAINING | {"waits": True})
        clock.now += 1.0
    assert watch.stall() is None
    watch.hear(TRAINING)
    clock.now += 4.0
    watch.hear(TRAINING)
    assert watch.stall() is None


@pytest.mark.parametrize(
    "change", [{"step": 8}, {"file": "/t/part-2.parquet"}, {"moves": 10}, {"phase": "reading rows"}]
)
def test_any_change_is_progress(change: dict[str, object], watch: PulseWatch, clock: Clock) -> None:
    watch.hear(TRAINING)
    clock.now += 4.0
    watch.hear(TRAINING | change)
    clock.now += 4.0
    watch.hear(TRAINING | change)
    assert watch.stall() is None


def test_an_import_that_holds_the_interpreter_is_no_stall_for_a_minute(watch: PulseWatch, clock: Clock) -> None:
    watch.hear(asdict(Doing()))
    clock.now += LEAST_SECONDS
    assert watch.stall() is None
    clock.now += 1.0
    assert watch.stall() is not None


def test_what_has_no_steps_of_its_own_may_take_a_minute_but_its_pulse_may_not_stop(
    watch: PulseWatch, clock: Clock
) -> None:
    building = asdict(Doing("building the graph", epoch=1))
    for _ in range(int(LEAST_SECONDS)):
        watch.hear(building)
        clock.now += 1.0
    assert watch.stall() is None
    clock.now += 6.0
    stall = watch.stall()
    assert stall is not None
    assert stall.sign == "its pulse stopped 7 s ago"


def test_a_graph_is_being_built_until_its_first_step() -> None:
    pulse, steps = Pulse(), [0]
    pulse.follow(lambda: (steps[0], 0), lambda: ("", 0))
    pulse.at("building the graph", epoch=1)
    assert pulse.now().phase == "building the graph"
    steps[0] = 1
    assert (pulse.now().phase, pulse.now().step) == ("training", 1)
    pulse.at("evaluating", epoch=1, step=1)
    assert (pulse.now().phase, pulse.now().step) == ("evaluating", 1)


def test_a_pulse_tells_phase_wait_and_what_the_graph_counts() -> None:
    pulse, graph = Pulse(), [0, 0]
    pulse.follow(lambda: (graph[0], graph[1]), lambda: ("/t/part-1.parquet", 0))
    pulse.at("training", epoch=2, step=10)
    before = pulse.now()
    assert (before.phase, before.epoch, before.step, before.waits) == ("training", 2, 10, False)
    graph[:] = 4, 7
    within = pulse.now()
    assert (within.step, within.waits, within.file) == (14, True, "/t/part-1.parquet")
    assert within.moves != before.moves
    graph[1] = 8
    assert not pulse.now().waits


def test_each_batch_of_a_file_that_is_read_counts_as_progress(tmp_path: Path) -> None:
    manifest = pin_splits(write_table(tmp_path / "table", features_table(90, seed=1)), 0, ["train"])["train"]
    pulse = Pulse()
    pulse.follow(lambda: (0, 0), lambda: (Opened.path, Opened.batches))
    pulse.at("reading rows")
    seen = [pulse.now()]
    for _ in batches(manifest, row_ranges(manifest, 0, 1), ["row_id"], at_once=10):
        seen.append(pulse.now())
    assert len(seen) > 3
    assert len({doing.moves for doing in seen}) == len(seen)
    assert seen[-1].file in {file.path for file in manifest.files}


def test_a_wait_ends_with_its_block_and_counts_as_progress() -> None:
    pulse = Pulse()
    before = pulse.now()
    with pulse.waiting():
        assert pulse.now().waits
    assert not pulse.now().waits
    assert pulse.now().moves > before.moves
