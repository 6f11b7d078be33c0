"""conf/sms_spam.yaml on generated messages from end to end; bad lines; and labels that come back from people."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.compute as pc
import pytest
from pyspark.sql import functions as F

from ringmill.config import load
from ringmill.errors import ConfigError, InputError
from ringmill.lake.ledger import Ledger
from ringmill.lake.tables import Lake
from ringmill.pipeline.replay import checked, replay
from ringmill.pipeline.run import run_all
from ringmill.pipeline.score_texts import SCORE_TEXTS, _on_test, _routed, _thresholds, _with_learnt
from ringmill.pipeline.stage import Run, execute
from ringmill.pipeline.texts import TEXTS
from ringmill.pipeline.train_examples import planned_examples
from ringmill.score.route import Cut, Thresholds

CONF = Path(__file__).resolve().parents[2] / "conf" / "sms_spam.yaml"
QUICK = [
    "train.launcher=local",
    "train.epochs=2",
    "train.batch=32",
    "train.learning_rate=0.02",
    "train.model={kind: textcnn, units: 8, kernels: [2], filters: 8, dense: 8, dropout: 0.1}",
    "train.text_augmentation={delete: 0.05, punctuation: 0.05, synonym: 0.2, synonyms: {hi: [hello]}}",
    "texts.tokens={length: 12, punctuation: keep}",
    "texts.shares=[0.6, 0.2, 0.2]",
    "texts.generate={rows: 500, overlap: 0, copies: 0.1}",
    "route.precision=0.9",
]

pytestmark = [pytest.mark.spark, pytest.mark.ring]


@pytest.fixture(scope="module")
def ran(spark, tmp_path_factory):
    """The configuration and the entries of a run on 500 generated messages."""
    config = load(CONF, QUICK, warehouse=str(tmp_path_factory.mktemp("messages")))
    return config, {entry.stage: entry for entry in run_all(config, session=spark)}


def test_laws_1_and_2_messages_are_cleaned_counted_and_split_once_each(ran):
    _, entries = ran
    assert list(entries) == ["generate", "texts", "train", "score", "report"]
    texts = entries["texts"]
    assert texts.laws["law 1"]["raw"] == 500 == texts.counts["clean"] + texts.counts["duplicate"]
    assert texts.counts["duplicate"] > 20
    assert texts.laws["law 2"] == {"kind": "group", "contents_in_two_splits": 0}
    assert set(texts.detail["manifest"]["vocabularies"]) == {"label", "ids (token_ids)"}


def test_two_ranks_learn_to_tell_the_classes(ran):
    config, entries = ran
    assert entries["train"].detail["metrics"]["test"]["accuracy"] > 0.9
    assert entries["train"].laws["law 5"] == {"ranks_with_bit_equal_weights": 2}
    model = Path(config.warehouse) / entries["train"].detail["model"]
    assert json.loads((model / "manifest.json").read_text())["classes"] == ["ham", "spam"]


def test_every_text_is_scored_as_the_ranks_scored_it_and_goes_one_way(ran):
    import pyarrow.parquet as pq

    config, entries = ran
    lake, counts = Lake(config.warehouse), entries["score"].counts
    scores = lake.read_arrow("scores/sms_spam", entries["score"].outputs["scores/sms_spam"])
    assert scores.num_rows == counts["texts"] == entries["texts"].counts["clean"]
    written = pq.read_table(Path(config.warehouse) / entries["train"].detail["model"] / "predictions.parquet")
    by_id = {row["row_id"]: row["probabilities"] for row in scores.to_pylist()}
    assert written.num_rows == entries["texts"].counts["test"] > 0
    for row in written.to_pylist():
        assert row["probabilities"] == pytest.approx(by_id[row["row_id"]], rel=1e-5, abs=1e-7)
    thresholds = entries["score"].detail["thresholds"]
    for route, cut in (("accepted", thresholds["accepted"]), ("rejected", thresholds["rejected"])):
        assert cut["precision"] >= 0.9
        refined = lake.read_arrow(f"refined/{route}", entries["score"].outputs[f"refined/{route}"])
        assert refined.num_rows == counts[route] > 0
        score = refined["probability"].to_numpy()
        assert (score <= cut["at"]).all() if route == "accepted" else (score >= cut["at"]).all()
    assert sum(counts[route] for route in ("accepted", "rejected", "review")) == counts["texts"]


def test_what_a_model_learnt_from_neither_chooses_thresholds_nor_judges_them_whatever_split_it_is_in_now(spark, ran):
    config, entries = ran
    run, table = Run(config, session=spark), "features/sms_spam"
    model = Path(config.warehouse) / entries["train"].detail["model"]
    texts = run.lake.read(spark, table, entries["texts"].outputs[table]).where("status = 'clean'")
    # As if the shares had changed since: all are validation or test rows now.
    moved = texts.withColumn("split", F.when(F.col("row_id") % 2 == 0, "validation").otherwise("test"))
    train = {row["row_id"] for row in texts.where("split = 'train'").collect()}
    repeat = moved.where(F.col("row_id") == min(train)).withColumns({"row_id": F.lit(7), "text": F.lit("like it")})
    marked = _with_learnt(run, moved.union(repeat), table, model)
    assert {row["row_id"] for row in marked.where("learnt").collect()} == {*train, 7} > {7}
    assert marked.count() == texts.count() + 1
    scored = marked.withColumn("probability", F.when(F.col("learnt"), 0.9).otherwise(0.1))
    thresholds = _thresholds(scored, config.route)
    assert thresholds.high.at is None
    judged = _on_test(_routed(scored, thresholds, config.route), config.route)
    assert sum(way["rows"] for way in judged.values()) == marked.where("split = 'test' AND NOT learnt").count()


def test_a_text_that_a_person_has_labelled_goes_where_the_label_says(spark, ran):
    route = ran[0].route
    thresholds = Thresholds(Cut(0.2, 10, 10), Cut(0.9, 10, 10))
    rows = [(0.6, route.positive, True), (0.1, route.positive, True), (0.95, "ham", True), (0.6, "ham", False)]
    scored = spark.createDataFrame(rows, "probability double, label string, reviewed boolean")
    found = [row["route"] for row in _routed(scored, thresholds, route).collect()]
    assert found == ["rejected", "rejected", "accepted", "review"]


def test_the_report_shows_what_came_in_what_was_learnt_and_where_texts_went(ran):
    _, entries = ran
    page = Path(entries["report"].detail["path"]).read_text(encoding="utf-8")
    assert f"<strong>{entries['train'].detail['metrics']['test']['accuracy']:.1%}</strong>" in page
    for words in ("500 texts came in", "repeat an earlier text", "Where they went", "at least 90.0%"):
        assert words in page


def test_law_3_nothing_changed_means_no_stage_runs(spark, ran):
    config, _ = ran
    assert {entry.outcome for entry in run_all(config, session=spark)} == {"unchanged"}


def test_words_that_are_not_one_token_have_no_synonyms(spark, ran):
    config, entries = ran
    settings = [*QUICK, "train.text_augmentation={synonym: 0.1, synonyms: {hi: [good morning]}}"]
    run = Run(load(CONF, settings, warehouse=config.warehouse), session=spark)
    with pytest.raises(ConfigError, match=r"one token each[\s\S]*good morning"):
        planned_examples(run)
    assert run.ledger.published("train").run_id == entries["train"].run_id


def test_a_route_by_a_class_that_is_not_there_is_refused(ran):
    config, entries = ran
    run = Run(load(CONF, [*QUICK, "route.positive=junk"], warehouse=config.warehouse))
    with pytest.raises(ConfigError, match=r"route\.positive[\s\S]*ham, spam[\s\S]*'junk'"):
        execute(SCORE_TEXTS, run)
    assert run.session is None and run.ledger.published("score").run_id == entries["score"].run_id


def bad_lines(folder, *more):
    lines = [
        "ham\tsee you at ten",
        "spam\tfree prize",
        "ham\t ",
        "ham\t😊👍",
        "spam\t" + "free " * 200_000,
        "ham",
        *more,
    ]
    (folder / "messages.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(folder / "messages.tsv")


def of_file(path, warehouse, *settings):
    return load(CONF, [*QUICK[:-2], "texts.generate=null", *settings], warehouse=str(warehouse), raw=path)


def test_law_10_bad_lines_are_rejected_with_reasons_and_reviews_are_taken_in(spark, tmp_path):
    notes = [f"ham\tnote {place}" for place in range(30)]
    path = bad_lines(tmp_path, *notes, "\twithout a label", "\tnever said")
    reviewed = tmp_path / "reviewed.csv"
    reviewed.write_text("text,label\nNOTE 1,spam\nwithout a label,ham\nnew one,spam\nwin cash,Spam\n", "utf-8")
    config = of_file(path, tmp_path / "lake", f"texts.reviewed={reviewed}")
    entry = execute(TEXTS, Run(config, session=spark))
    found = {name: count for name, count in entry.counts.items() if name not in ("train", "validation", "test")}
    assert found == {
        "clean": 36,
        "duplicate": 2,
        "rejected": 4,
        "unknown_label": 1,
        "empty_text": 1,
        "too_long": 1,
        "torn_line": 1,
        "reviewed": 3,
        "relabelled": 1,
        "unlabelled": 1,
    }
    rows = Lake(str(tmp_path / "lake")).read_arrow("features/sms_spam", entry.outputs["features/sms_spam"])
    emoji = rows.filter(pc.equal(rows["text"], "😊👍")).to_pylist()[0]
    assert (emoji["status"], len(emoji["ids"])) == ("clean", 12)
    assert max(len(text) for text in rows["raw"].drop_null().to_pylist()) == 10**6

    reviewed.write_text("text,label\nnote 1,spam\nNote 1,ham\n", "utf-8")
    with pytest.raises(InputError, match=r"one label per text[\s\S]*2 labels of"):
        execute(TEXTS, Run(config, session=spark))


def test_law_3_a_run_is_rebuilt_from_its_pins_with_the_same_weights_and_routes(spark, ran):
    config, entries = ran
    ledger = Ledger(Lake(config.warehouse))
    before = ledger.entries()
    replayed = replay(ledger, entries["texts"].run_id, session=spark)
    assert [row.stage for row in replayed.rows] == ["texts", "train", "score"]
    assert (replayed.differences, replayed.otherwise) == ((), ())
    assert ledger.entries() == before
    checked(replayed)
