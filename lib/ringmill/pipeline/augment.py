"""Stage augment: a table of one's own → generated/<name>, rows of its rare class that a network made up and that are no
train rows, and oversampled/<name>, train rows of that class once more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.contracts import Table, generated_table, oversampled_table
from ringmill.errors import InputError, LawError
from ringmill.lake.ledger import Entry
from ringmill.pipeline.prepared import SPLITS
from ringmill.pipeline.progress import Step
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.pipeline.train import checkpoints_of, launcher_of, model_holds, say
from ringmill.pipeline.train_table import input_of, path_of, pinned, table_spec
from ringmill.pipeline.trained import found_at, tidy
from ringmill.train.build import modules

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame

    from ringmill.augment.copies import CopyCheck
    from ringmill.augment.generator import Frame, Generator
    from ringmill.handoff.manifest import Manifest
    from ringmill.train.spec import TrainSpec

MODULES = ("ringmill.pipeline.augment", "ringmill.train.rank", *modules())


@dataclass(frozen=True)
class Class:
    """The class that is helped: its `name`, how many `rows` of it are to be added, the rows of each split by class, and
    the files that hold rows of it."""

    name: str
    rows: int
    counts: Mapping[str, Mapping[str, int]]
    manifests: Mapping[str, Manifest]

    @property
    def there(self) -> int:
        """Its train rows."""
        return self.counts["train"][self.name]


def _configuration(config: Config) -> Mapping[str, Any]:
    section = config.augment
    trained = dump(section.train_of(config.train))
    return {
        "table": dump(config.table),
        "augment": dump(section),
        "train": trained,
        "label": label_of(config),  # whose rows of one class are made: the training of the generator has another task
        "seed": config.seed,
    }


def class_of(run: Run, inputs: Mapping[str, Any]) -> Class:
    """The rare class of the pinned version.

    Raises:
        InputError: the table's classes cannot be learnt (see `known_classes`); the train split has no row of the class,
            or fewer than `augment.least_rows`, or it is its commonest; or another split has none.
    """
    from ringmill.handoff.subset import Only
    from ringmill.train.indexed import made_index, seen_rows
    from ringmill.train.run import plan
    from ringmill.train.tasks.known import class_counts

    section, spec = run.config.augment, table_spec(run, inputs, run.config.table.name)
    job, _ = plan(spec, indexing=made_index)
    label = label_of(run.config)
    counts = {split: class_counts(job.manifests[split], label) for split in SPLITS}
    train, where = counts["train"], f"{spec.table}, version {spec.version}, {label}"
    name = section.minority or min(train, key=lambda one: (train[one], one))
    there, most = train.get(name, 0), max(train.values())
    told = ", ".join(f"{rows:,} of '{one}'" for one, rows in sorted(train.items()))
    if there < section.least_rows:
        expected = f"at least {section.least_rows:,} train rows of the class '{name}' (augment.least_rows)"
        todo = "correct augment.minority, or bring more rows of the class"
        raise InputError.unfit(where, expected, told, todo)
    if section.rows is None and there == most:
        todo = "say how many rows are to be made in augment.rows, or name another class in augment.minority"
        raise InputError.unfit(where, f"a class that is rarer than others, unlike '{name}'", told, todo)
    for split in SPLITS[1:]:
        if not counts[split].get(name):
            expected = f"{split} rows of the class '{name}', by which it is judged whether anything helped"
            raise InputError.unfit(where, expected, "none", "give the split some rows of the class")
    only = replace(spec, only=Only(label, name))
    return Class(name, section.rows or most - there, counts, seen_rows(job.manifests, only))


def label_of(config: Config) -> str:
    """The column with the classes."""
    return str(getattr(config.train.task, "label", "label"))


def _spec(run: Run, inputs: Mapping[str, Any], helped: Class, frame: Frame) -> TrainSpec:
    from ringmill.handoff.subset import Only

    section = run.config.augment
    x = input_of(run.config)
    channels = x.shape[-1]
    scaled = replace(x, mean=tuple(frame.mean[:channels].tolist()), scale=tuple(frame.scale[:channels].tolist()))
    told = {**inputs, "augment": dump(section)}
    name = f"{run.config.table.name}_gan"
    return replace(
        table_spec(run, inputs, name),
        train=section.train_of(run.config.train),
        x=scaled,
        group="",
        only=Only(label_of(run.config), helped.name),
        checkpoints=checkpoints_of(run, told, name, code=MODULES),
    )


def rows_of(run: Run, manifest: Manifest) -> NDArray[Any]:
    """All rows of a manifest → (rows, length): those of a rare class, which the ranks hold too."""
    from ringmill.handoff.columns import Columns, Rows
    from ringmill.handoff.plan import RowRange
    from ringmill.handoff.read import RowStream

    columns = Columns(input_of(run.config))
    ranges = [RowRange(place, 0, file.rows) for place, file in enumerate(manifest.files)]
    rows = Rows.empty(manifest.rows, columns)
    RowStream(manifest, ranges, columns).fill(rows)
    return rows.x


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from ringmill.augment.generator import Frame, Generator
    from ringmill.train.results import FROZEN
    from ringmill.train.run import train

    section = run.config.augment
    helped = class_of(run, inputs)
    own = rows_of(run, helped.manifests["train"])
    frame = Frame.of(own, channels=input_of(run.config).shape[-1], snap=section.snap)
    spec = _spec(run, inputs, helped, frame)
    step.say(f"starting {spec.train.ranks} ranks on {helped.there:,} rows of '{helped.name}'")
    trained = train(spec, launcher_of(run), on_progress=lambda line: say(step, line))
    generator = Generator.of(json.loads((trained.folder / FROZEN).read_text(encoding="utf-8")))
    step.say(f"making {helped.rows:,} rows, and repeating as many")
    tables, copies = _write(run, inputs, helped, generator, frame)
    step.say("comparing made rows with train rows")
    check = _checked(run, helped, own, frame, tables)
    manifest, made = trained.manifest, helped.rows - copies
    return Result(
        outputs={**tables, "model": run.run_id},
        counts={"train": helped.there, "made": helped.rows, "copies": copies, "kept": made, "repeated": helped.rows},
        summary=f"{made:,} rows of '{helped.name}' made beside {helped.there:,}, {copies:,} copies rejected"
        + _words(check),
        laws={f"law {number}": proof for number, proof in manifest["laws"].items()},
        detail={
            **found_at(run, spec),
            "metrics": manifest["metrics"],
            "minority": helped.name,
            "classes": helped.counts,
            "copy_check": check.to_json(),
        },
    )


def _write(
    run: Run, inputs: Mapping[str, Any], helped: Class, generator: Generator, frame: Frame
) -> tuple[dict[str, int], int]:
    """The versions of both tables, and how many made rows were copies of a train row and are in neither."""
    from pyspark.sql import functions as F

    from ringmill.augment.rows import filter_no_copies, flat_x, numbered, repeated, with_made

    section, label, seed = run.config.table, label_of(run.config), run.config.seed
    source = run.spark.read.format("delta").option("versionAsOf", inputs["version"]).load(path_of(run.config))
    train = source.where("split = 'train'")
    own = flat_x(train.where(F.col(label).cast("string") == helped.name), section.x)
    made = with_made(numbered(run.spark, helped.rows, seed=seed), generator, frame, seed=seed)
    kept = filter_no_copies(made, flat_x(train, section.x))
    again = repeated(own, helped.rows, helped.there, seed=seed)
    named = {"x": section.x, "label": label}
    generated, oversampled = (make(section.name, **named) for make in (generated_table, oversampled_table))
    versions = {
        generated.path: _written(run, kept, generated, helped.name),
        oversampled.path: _written(run, again, oversampled, helped.name),
    }
    counts = {name: run.lake.read(run.spark, name, version).count() for name, version in versions.items()}
    if counts[oversampled.path] != helped.rows:
        expected, received = f"{helped.rows:,} repetitions", f"{counts[oversampled.path]:,}"
        raise LawError.broken("Oversampling", oversampled.path, expected, received)
    return versions, helped.rows - counts[generated.path]


def _written(run: Run, rows: DataFrame, table: Table, name: str) -> int:
    from pyspark.sql import functions as F

    section, label = run.config.table, label_of(run.config)
    named = rows.withColumnRenamed("x", section.x).withColumns({label: F.lit(name), "split": F.lit("train")})
    return run.lake.write(named, table, run_id=run.run_id)


def _checked(run: Run, helped: Class, own: NDArray[Any], frame: Frame, tables: Mapping[str, int]) -> CopyCheck:
    """The copy check of the kept rows: some of each kind, drawn by the seed."""
    import numpy as np

    from ringmill.augment.copies import MOST, MOST_TRAIN, check_copies

    (path,) = (path for path in tables if path.startswith("generated/"))
    rows = run.lake.read(run.spark, path, tables[path]).orderBy("row_id").limit(MOST).select(run.config.table.x)
    made = np.array(rows.toArrow().column(0).to_pylist(), np.float64).reshape(-1, own.shape[1])
    held_out = np.concatenate([rows_of(run, helped.manifests[split]) for split in SPLITS[1:]])
    draw = np.random.default_rng(run.config.seed)
    held_out, train = (draw.permutation(rows)[:most] for rows, most in ((held_out, MOST), (own, MOST_TRAIN)))
    return check_copies(frame.seen(made), frame.seen(held_out), frame.seen(train))


def _words(check: CopyCheck) -> str:
    """Nothing, where made rows are as near to train rows as others of the class."""
    if not check.repeats:
        return ""
    return f"; the others REPEAT train rows: {check.near_made:.1%} are as near as {check.near_held_out:.1%} of held out"


def _is_there(run: Run, entry: Entry) -> bool:
    return model_holds(run, entry, "manifest.json")


AUGMENT = Stage("augment", MODULES, _configuration, pinned, _body, _is_there, tidy)
