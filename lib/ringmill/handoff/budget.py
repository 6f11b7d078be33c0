"""What the hand-off will hold in memory, as arithmetic over the plan; and the plan as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ringmill.errors import PlanError
from ringmill.handoff.columns import Columns
from ringmill.handoff.manifest import Manifest
from ringmill.handoff.plan import Plan
from ringmill.handoff.read import rows_at_once
from ringmill.handoff.resident import decoded_bytes
from ringmill.handoff.stripes import window_capacity, window_steps

# Places of one rank that one graph call trains on; an epoch of more is several calls.
PLACES_AT_ONCE = 2**20
# Rows of a split above which AUC comes from bins instead of all scores.
SCORES_KEPT = 2**20
# Bytes beside the decoded rows, each measured above an empty rank at 1 and 10 million rows of 32 features: per place
# of a graph call its index, weight, id and their tensors; per kept score itself, the gathered ones and their ranking;
# per row of a batch on its way the Arrow batch, the columns' buffers and what the allocator keeps.
PLACE_BYTES = 64
SCORE_BYTES = 144
DECODE_COPIES = 7
# Per row of a split in one file that it shares with others, at most: its place there, and whether the next is greater.
PLACES_HELD = 8 + 1


@dataclass(frozen=True)
class HandOff:
    """A checked plan: the pinned files of each split, the steps, and the memory that they need.

    The host with the most ranks has `host_ranks` of them, as is known or, where `assumed` says by what, assumed.
    """

    manifests: Mapping[str, Manifest]
    plan: Plan
    columns: Columns
    window_rows: int | None
    host_ranks: int
    assumed: str = ""

    @property
    def order(self) -> str:
        """'striped' where rows pass by in windows, 'global' where all are resident."""
        return "global" if self.window_rows is None else "striped"

    @property
    def copy_bytes(self) -> int:
        """One decoded copy of all splits: the ranks of a host share it, where they may open each other's memory."""
        if self.window_rows is not None:
            return 0
        return sum(decoded_bytes(manifest.rows, self.columns) for manifest in self.manifests.values())

    @property
    def rank_bytes(self) -> int:
        """What each rank holds beside it, at its peak: while it decodes, in an epoch, or when it evaluates."""
        rows = max(manifest.rows for manifest in self.manifests.values())
        decoding = DECODE_COPIES * decoded_bytes(min(rows, rows_at_once(self.columns)), self.columns)
        decoding += PLACES_HELD * self._most_picked
        scoring = decoding + SCORE_BYTES * min(rows, SCORES_KEPT)
        if self.window_rows is not None:
            capacity = window_capacity(self.plan, self.window_rows)
            windows = 2 * decoded_bytes(capacity, self.columns) + decoding
            return windows + max(PLACE_BYTES * capacity, scoring)
        places = min(self.plan.steps * self.plan.local_batch, PLACES_AT_ONCE)
        epoch = 4 * self.plan.steps * self.plan.batch + PLACE_BYTES * places
        # Sorting the ids takes a place of 8 bytes for each row, once.
        return max(decoding, 8 * rows, epoch, scoring)

    @property
    def _most_picked(self) -> int:
        """Rows of one split in one file that holds others too."""
        files = (file for manifest in self.manifests.values() for file in manifest.files)
        return max((file.rows for file in files if file.picked), default=0)

    @property
    def index_bytes(self) -> int:
        """Of the row index that tells the splits apart; 0 where the table is partitioned by split."""
        return sum(manifest.index_bytes for manifest in self.manifests.values())

    def host_bytes(self, *, ranks: int, copies: int = 1) -> int:
        """What `ranks` ranks of one host hold together with `copies` decoded copies among them."""
        return copies * self.copy_bytes + ranks * self.rank_bytes

    def check(self, memory_mb: int, *, ranks: int, copies: int = 1) -> None:
        """Raises PlanError where the ranks of a host would hold more than `memory_mb` MiB."""
        if (needed := self.host_bytes(ranks=ranks, copies=copies)) > (budget := memory_mb * 2**20):
            raise PlanError.over_budget(self.manifests["train"].table, needed, budget, ranks=ranks, copies=copies)

    def lines(self) -> list[str]:
        """What a person reads before anything is started."""
        train, plan = self.manifests["train"], self.plan
        rows = ", ".join(f"{manifest.rows:,} {split}" for split, manifest in self.manifests.items())
        # Splits may share files.
        files = {file.path: file.bytes for manifest in self.manifests.values() for file in manifest.files}
        size = sum(files.values())
        ordered = "all rows are shuffled in each epoch, the same batches for any number of ranks"
        memory = f"{self.copy_bytes:,} bytes of decoded rows on each host, shared by its ranks, and "
        if self.window_rows is not None:
            steps = window_steps(plan, self.window_rows)
            ordered = (
                f"row groups are dealt anew in each epoch, and shuffled in {-(-plan.steps // steps):,} windows of "
            )
            ordered += f"at most {window_capacity(plan, self.window_rows):,} rows per rank"
            memory = ""
        return [
            f"table    {train.table}, version {train.version}",
            f"rows     {rows}; {size:,} bytes in {len(files):,} files",
            *self._index_lines(),
            f"order    {self.order}: {ordered}",
            f"steps    {plan.steps:,} per epoch on each of {plan.ranks} ranks, "
            f"global batch {plan.batch:,}, {plan.local_batch:,} places per rank",
            f"padding  {plan.padding:,} places per epoch, weight 0",
            f"memory   {memory}{self.rank_bytes:,} bytes per rank; 0 bytes written",
            f"host     {self._host_words()}",
        ]

    def _host_words(self) -> str:
        """What the host with the most ranks holds, and what it would hold with all of them, where that is assumed."""
        here, ranks = self.host_ranks, self.plan.ranks
        held = f"{self.host_bytes(ranks=here):,} bytes"
        if not self.assumed:
            return f"{held} on one host, which has {'the one rank' if ranks == 1 else f'all {ranks} ranks'}"
        most = f"{self.host_bytes(ranks=ranks):,} bytes with all {ranks} ranks on one"
        return f"{held} on a host with {here} of {ranks} ranks; {most}; assumed: {self.assumed}"

    def _index_lines(self) -> list[str]:
        if not self.index_bytes:
            return []
        a_row = self.index_bytes / sum(manifest.rows for manifest in self.manifests.values())
        return [f"index    {self.index_bytes:,} bytes say which rows are whose, {a_row:.2f} a row"]


def hand_off(
    manifests: Mapping[str, Manifest],
    plan: Plan,
    *,
    columns: Columns,
    memory_mb: int,
    host_ranks: int,
    assumed: str = "",
    window_rows: int | None = None,
) -> HandOff:
    """Check that there is something to learn from, and that it fits a host that has `host_ranks` of the ranks.

    `assumed` says by what assumption it has so many; '': it is known.
    `window_rows` are those of the order 'striped'; None: the order is 'global'.

    Raises:
        PlanError: no row in train or validation, or more decoded bytes than `memory_mb` allows.
    """
    for split in ("train", "validation"):
        if not manifests[split].rows:
            raise PlanError.no_rows(manifests[split].table, split)
    handed = HandOff(manifests, plan, columns, window_rows, host_ranks, assumed)
    handed.check(memory_mb, ranks=host_ranks)
    return handed
