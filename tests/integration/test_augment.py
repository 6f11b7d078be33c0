"""conf/augment.yaml: a made-up table with a rare class from end to end, and tables that it cannot help."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from handoff.tables import write_table
from ringmill.config import Config, load
from ringmill.errors import ConfigError, InputError
from ringmill.generate.imbalanced import RARE, rows_of
from ringmill.lake.ledger import Entry
from ringmill.pipeline.augment import AUGMENT, class_of
from ringmill.pipeline.report_augment import WAYS, judged
from ringmill.pipeline.run import HELPED, run_all, run_stages, stages_of
from ringmill.pipeline.stage import Run
from ringmill.pipeline.train_helped import balanced
from ringmill.pipeline.train_table import pinned
from ringmill.train.results import FROZEN
from ringmill.train.spec import TrainResult

CONF = Path(__file__).resolve().parents[2] / "conf" / "augment.yaml"
QUICK = [
    "table.shape=[2]",
    "table.generate={rows: 400, rare: 0.2}",
    "augment.model={kind: gan, latent: 4, hidden: [8]}",
    "augment.snap=1000",  # two numbers that take values of train rows alone: many a made row is one of these
    "augment.epochs=2",
    "augment.batch=200",
    "train.launcher=local",
    "train.ranks=1",
    "train.batch=200",
    "train.epochs=1",
    "train.model={kind: mlp, hidden: [4]}",
]
STAGES = ["generate", "augment", "train", "train_weighted", "train_oversampled", "train_generated", "report"]


@pytest.fixture(scope="module")
def ran(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, dict[str, Any]]:
    """The configuration and the entries of a run, by one rank: two are what test_gan is about."""
    config = load(CONF, QUICK, warehouse=str(tmp_path_factory.mktemp("rare")))
    return config, {entry.stage: entry for entry in run_all(config, session=spark)}


def table(config: Config, entry: Any, name: str) -> pa.Table:
    return DeltaTable(f"{config.warehouse}/{name}", version=entry.outputs[name]).to_pyarrow_table()


@pytest.mark.spark
@pytest.mark.ring
def test_the_rare_class_is_helped_in_four_ways_that_are_judged_by_real_rows(ran: Any) -> None:
    config, entries = ran
    assert list(entries) == STAGES
    source = DeltaTable(config.table.path).to_pyarrow_table()
    of_split = {split: source.filter(pa.compute.field("split") == split) for split in ("train", "test")}
    rare, most = (of_split["train"]["label"].to_pylist().count(name) for name in (RARE, "common"))
    counts = entries["augment"].counts
    assert counts["train"] == rare and counts["made"] == counts["repeated"] == most - rare
    # Fewer rows than one global batch: a step an epoch, each row once, the rest of it padding.
    assert rare < config.augment.batch
    assert entries["augment"].laws["law 4"] == {"rows_seen_in_each_epoch": [rare], "rows": rare, "steps_per_rank": 1}

    generated, oversampled = (
        table(config, entries["augment"], f"{kind}/imbalanced") for kind in ("generated", "oversampled")
    )
    assert generated.num_rows == counts["kept"] == counts["made"] - counts["copies"]
    for rows in (generated, oversampled):
        assert set(rows["label"].to_pylist()) == {RARE} and set(rows["split"].to_pylist()) == {"train"}
        assert len(set(rows["row_id"].to_pylist()) | set(source["row_id"].to_pylist())) == rows.num_rows + 400
    # What was made of a train row's very numbers is counted and is not there; what is repeated is such a row.
    assert counts["copies"] > 0
    real = {tuple(x) for x in of_split["train"]["x"].to_pylist()}
    assert not real & {tuple(x) for x in generated["x"].to_pylist()}
    by_id = dict(zip(source["row_id"].to_pylist(), source["x"].to_pylist(), strict=True))
    assert [by_id[row] for row in oversampled["source_row_id"].to_pylist()] == oversampled["x"].to_pylist()
    times = np.unique(oversampled["source_row_id"].to_numpy(), return_counts=True)[1]
    assert len(times) == rare and times.max() - times.min() <= 1
    values = [set(np.array(rows["x"].to_pylist())[:, 1]) for rows in (generated, of_split["train"])]
    assert values[0] <= values[1] == {0.0, 1.0, 2.0, 3.0}

    judged = entries["report"].detail["judged"]
    assert [(way["stage"], way["rows"], way["of_class"]) for way in judged] == [
        ("train", rare + most, rare),
        ("train_weighted", rare + most, rare),
        ("train_oversampled", 2 * most, most),
        ("train_generated", 2 * most - counts["copies"], most - counts["copies"]),
    ]
    for way in judged:
        assert entries[way["stage"]].detail["metrics"]["test"]["rows"] == of_split["test"].num_rows
        assert 0 <= way["figures"]["auc"]["low"] <= way["figures"]["auc"]["value"] <= way["figures"]["auc"]["high"] <= 1
    check = entries["augment"].detail["copy_check"]
    assert check["train_rows"] == rare and check["made_rows"] == counts["kept"] and 0 <= check["near_made"] <= 1
    page = Path(entries["report"].detail["path"]).read_text(encoding="utf-8")
    for words in (
        "What helped",
        "rows of the class repeated",
        "Made rows",
        "every row exactly once",
        "How it was made",
    ):
        assert words in page


@pytest.mark.spark
@pytest.mark.ring
def test_law_3_nothing_changed_means_no_commit(ran: Any) -> None:
    config, entries = ran
    paths = [f"{config.warehouse}/{name}" for name in ("generated/imbalanced", "oversampled/imbalanced")]
    before = [DeltaTable(path).version() for path in (config.table.path, *paths)]
    assert {entry.outcome for entry in run_stages(config, STAGES)} == {"unchanged"}
    assert [DeltaTable(path).version() for path in (config.table.path, *paths)] == before
    model = Path(config.warehouse) / entries["train_weighted"].detail["model"]
    weights = json.loads((model / "spec.json").read_text())["spec"]["train"]["class_weights"]
    assert weights == pytest.approx(balanced(entries["augment"].detail["classes"]["train"]))


def test_the_pipeline_s_sections_fit_together(tmp_path: Path) -> None:
    assert list(stages_of(load(CONF))) == STAGES
    own = load(CONF, warehouse=str(tmp_path), raw="/data/mine")
    assert own.table.path == "/data/mine" and own.table.generate is None
    cutoffs = "validation_cutoff: 2024-03-01, test_cutoff: 2024-05-01"
    for setting, words in {
        "augment.model={kind: mlp}": "kind: gan",
        "train.class_weights={rare: 3}": "one of the four ways",
        "train.sample_weight=heavy": "no train.sample_weight",
        f"recommend={{{cutoffs}}}": "'train' alone",
        f"sequences={{{cutoffs}, train_cutoffs: [2024-01-01]}}": "'train' alone",
        "embeddings={}": "'train' alone",
        "train.task={kind: purchase}": "kind 'classes'",
        "table.shape=[28, 28]": "a shape of rows or of images",
        "table.version=3": "without 'version'",
    }.items():
        with pytest.raises(ConfigError, match=words):
            load(CONF, [setting])
    with pytest.raises(ConfigError, match="beside a section 'table'"):
        load(CONF.with_name("default.yaml"), ["augment={}"])


def helped(folder: Path, rows: pa.Table, *settings: str) -> Any:
    write_table(folder / "table", rows)
    config = load(CONF, [*QUICK, *settings], warehouse=str(folder / "lake"), raw=str(folder / "table"))
    run = Run(config)
    try:
        return class_of(run, pinned(run))
    finally:
        run.close()


def kinds(split: str, **rows: int) -> pa.Table:
    labels = [name for name, count in rows.items() for _ in range(count)]
    count = len(labels)
    columns = {"x": pa.array([[0.5] * 2] * count, pa.list_(pa.float32())), "label": labels, "split": [split] * count}
    start = {"train": 0, "validation": 10_000, "test": 20_000}[split]
    return pa.table({"row_id": pa.array(range(start, start + count), pa.int64()), **columns})


HELD_OUT = (kinds("validation", a=5, b=5), kinds("test", a=5, b=5))


def test_the_rarest_class_lacks_what_the_commonest_has_more(tmp_path: Path) -> None:
    found = helped(tmp_path, pa.concat_tables([kinds("train", a=90, b=30), *HELD_OUT]))
    assert (found.name, found.rows, found.there) == ("b", 60, 30)
    assert found.counts["test"] == {"a": 5, "b": 5}
    assert [found.manifests[split].rows for split in ("train", "validation", "test")] == [30, 5, 5]


@pytest.mark.parametrize(
    ("train", "held_out", "settings", "words"),
    [
        (kinds("train", a=90, b=30), HELD_OUT, ("augment.minority=c",), r"class 'c'[\s\S]*90 of 'a', 30 of 'b'"),
        (kinds("train", a=90, b=19), HELD_OUT, (), r"at least 20 train rows of the class 'b'[\s\S]*19 of 'b'"),
        (kinds("train", a=90), (kinds("validation", a=5), kinds("test", a=5)), (), r"2 to 1,000 classes"),
        (kinds("train", a=90), HELD_OUT, (), r"2 to 1,000 classes"),
        (kinds("train", a=90, b=30), (HELD_OUT[0], kinds("test", a=5, c=2)), (), r"'c', in 2 rows"),
        (kinds("train", a=90, b=30), (HELD_OUT[0], kinds("test", a=5)), (), r"test rows of the class 'b'"),
        (kinds("train", a=30, b=30), HELD_OUT, (), r"rarer than others, unlike 'a'"),
    ],
    ids=["absent", "too few", "one class", "one class to learn", "unknown", "none to judge by", "not rare"],
)
def test_what_cannot_be_helped_is_said_before_anything_is_started(
    train: pa.Table, held_out: tuple[pa.Table, ...], settings: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        helped(tmp_path, pa.concat_tables([train, *held_out]), *settings)
    assert AUGMENT.name == "augment" and not list((tmp_path / "lake").glob("models/*/*/spec.json"))


@pytest.mark.parametrize("stage", HELPED[1:], ids=lambda stage: stage.name)
def test_help_that_is_of_other_rows_is_refused_by_every_training_with_it(stage: Any, tmp_path: Path) -> None:
    rows, path = pa.concat_tables([kinds("train", a=90, b=30), *HELD_OUT]), tmp_path / "table"
    write_table(path, rows)
    run = Run(load(CONF, QUICK, warehouse=str(tmp_path / "lake"), raw=str(path)))
    tables = {f"{kind}/imbalanced": 3 for kind in ("generated", "oversampled")}
    detail = {"classes": {"train": {"a": 90, "b": 30}}}
    row = Entry("r", "augment", "augment", "published", "k", "c", {}, pinned(run), tables, detail=detail)
    run.ledger.append(row)
    assert {"table", "version", "id"} < set(stage.inputs(run))

    renamed = Run(load(CONF, [*QUICK, "table.name=other"], warehouse=str(tmp_path / "lake"), raw=str(path)))
    with pytest.raises(InputError, match=r"'augment' has published nothing yet[\s\S]*/generated/other"):
        stage.inputs(renamed)

    write_table(path, kinds("train", b=1))
    with pytest.raises(InputError, match=r"version 1 \([\s\S]*received: .*version 0 \([\s\S]*'ringmill augment CONF'"):
        stage.inputs(run)

    # Another table in its place, of the same version.
    elsewhere = tmp_path / "other"
    write_table(elsewhere, rows)
    shutil.rmtree(path)
    elsewhere.rename(path)
    with pytest.raises(InputError, match="another version of the table than the one that is trained on"):
        stage.inputs(run)
    for one in (run, renamed):
        one.close()


@pytest.mark.parametrize("ends", ["_write", "_checked"])
def test_the_networks_checkpoints_stay_until_the_tables_are_written_and_checked(
    ends: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(tmp_path / "table", pa.concat_tables([kinds("train", a=90, b=30), *HELD_OUT]))
    run = Run(load(CONF, QUICK, warehouse=str(tmp_path / "lake"), raw=str(tmp_path / "table")))
    folder = tmp_path / "trained"
    folder.mkdir()
    (folder / FROZEN).write_text("{}")
    monkeypatch.setattr("ringmill.augment.generator.Generator.of", lambda tree: None)
    checkpoints: list[Path] = []

    def trained(spec: Any, *given: Any, **more: Any) -> TrainResult:
        checkpoints.append(Path(spec.checkpoint_folder))
        checkpoints[0].mkdir(parents=True)
        return TrainResult(folder, folder / "model.keras", {"run_id": run.run_id}, ())

    def killed(*given: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ringmill.train.run.train", trained)
    monkeypatch.setattr("ringmill.pipeline.augment._write", lambda *given: ({"generated/imbalanced": 0}, 0))
    monkeypatch.setattr(f"ringmill.pipeline.augment.{ends}", killed)
    with pytest.raises(KeyboardInterrupt), run.progress.stage("augment") as step:
        AUGMENT.body(run, pinned(run), step)
    assert checkpoints[0].is_dir()
    run.close()


def test_the_report_reads_each_model_s_predictions_in_the_order_of_its_own_classes(tmp_path: Path) -> None:
    run, entries = Run(load(CONF, warehouse=str(tmp_path))), {}
    for stage in WAYS:
        # As a table of whole numbers and rows that are added as text were learnt: in two orders.
        order = ["10", "9"] if stage in ("train_oversampled", "train_generated") else ["9", "10"]
        folder = tmp_path / "models" / stage / "r"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps({"classes": order}))
        chances = [[0.8, 0.2], [0.3, 0.7], [0.6, 0.4]]
        said = [row if order[0] == "9" else row[::-1] for row in chances]
        columns = {"label": ["9", "10", "9"], "predicted": ["9", "10", "9"], "probabilities": said}
        pq.write_table(pa.table({"row_id": [1, 2, 3], **columns}), folder / "predictions.parquet")
        made = {"counts": {"train": 9}, "detail": {"model": f"models/{stage}/r"}}
        entries[stage] = Entry("r", "augment", stage, "published", "k", "c", {}, {}, **made)
    helped = {"counts": {"train": 2, "repeated": 1, "kept": 1}, "detail": {"minority": "10"}}
    entries["augment"] = Entry("r", "augment", "augment", "published", "k", "c", {}, {}, **helped)
    assert [way["figures"]["auc"]["value"] for way in judged(run, entries)] == [1.0] * 4
    run.close()


def test_a_made_up_row_hangs_on_its_number_and_the_seed_alone(tmp_path: Path) -> None:
    config = load(CONF, warehouse=str(tmp_path))
    section, numbers = config.table.generate, np.arange(4_000)
    assert section is not None
    rows = rows_of(numbers, section, (8,), seed=7)
    assert rows.slice(50, 9).equals(rows_of(numbers[50:59], section, (8,), seed=7))
    assert rows["x"] != rows_of(numbers, section, (8,), seed=8)["x"]
    labels, splits = rows["label"].to_pylist(), rows["split"].to_pylist()
    assert abs(labels.count(RARE) / 4_000 - section.rare) < 0.01 and abs(splits.count("train") / 4_000 - 0.7) < 0.03
    images = rows_of(numbers[:40], section, (28, 28, 1), seed=7)
    pixels = np.array(images["x"].to_pylist()).reshape(-1, 28, 28)
    assert pixels.shape == (40, 28, 28) and pixels.min() >= 0 and pixels.max() <= 1


def test_a_table_that_is_not_partitioned_is_helped_too(tmp_path: Path) -> None:
    rows = pa.concat_tables([kinds("train", a=90, b=30), *HELD_OUT])
    order = np.random.default_rng(3).permutation(rows.num_rows)
    write_deltalake(str(tmp_path / "mixed"), rows.take(order))
    run = Run(load(CONF, QUICK, warehouse=str(tmp_path / "lake"), raw=str(tmp_path / "mixed")))
    found = class_of(run, pinned(run))
    run.close()
    assert (found.name, found.manifests["train"].rows) == ("b", 30)


@pytest.mark.spark
@pytest.mark.ring
@pytest.mark.long
def test_images_of_a_rare_class_are_helped_by_the_same_code_on_two_ranks(spark: Any, tmp_path: Path) -> None:
    settings = [
        *QUICK,
        "table.shape=[8, 8, 1]",
        "augment.model={kind: gan, latent: 4, filters: [4, 3]}",
        "train.model={kind: cnn, filters: [4], dense: 8}",
        "train.ranks=2",
    ]
    config = load(CONF, settings, warehouse=str(tmp_path))
    entries = {entry.stage: entry for entry in run_all(config, session=spark)}
    assert entries["augment"].laws["law 5"] == {"ranks_with_bit_equal_weights": 2}
    generated = np.array(table(config, entries["augment"], "generated/imbalanced")["x"].to_pylist())
    # From black to white, as the train rows are.
    assert generated.shape == (entries["augment"].counts["kept"], 64)
    assert generated.min() >= 0 and generated.max() <= 1
    assert [way["figures"]["auc"]["value"] is not None for way in entries["report"].detail["judged"]] == [True] * 4
