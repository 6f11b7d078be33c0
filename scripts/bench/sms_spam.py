"""SMS spam on two ranks: accuracy and the spam class's F1, out of fold over all distinct messages.

    scripts/bench/sms_spam.py FILE [--models textcnn,gru,…] [--seeds N] [--out FILE] [--quick]

FILE is SMSSpamCollection. Messages that are equal as the stage `texts` compares them count once, and those that differ
by punctuation and white space alone are in one fold. Of five folds by the messages' hashes each is judged once, by a
model that a tenth of the other four chose the epoch for and the rest taught; the vocabulary is the rest's too. The peer
is a logistic regression on TF-IDF of words and pairs of words, taught by all four folds. What is judged is the mean
over seeds; intervals, one a seed, are bootstrapped over messages. `--quick` judges one fold, by one seed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import arguments, claim, write
from deltalake import write_deltalake
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score

from ringmill.config import load
from ringmill.config.models import Config, SparkSection
from ringmill.config.train import Train
from ringmill.features.text.assemble import assemble_texts
from ringmill.features.text.fit import fit_texts
from ringmill.features.text.state import TextState, encode
from ringmill.handoff.columns import Input
from ringmill.lake.session import open_session
from ringmill.lake.texts import read_texts
from ringmill.pipeline.examples import known_ids
from ringmill.report.evaluate import bootstrap
from ringmill.train.launch.local import LocalLauncher
from ringmill.train.run import train
from ringmill.train.spec import TrainResult, TrainSpec

CONF = Path(__file__).resolve().parents[2] / "conf" / "sms_spam.yaml"
FOLDS, SPAM = 5, "spam"
VARIED = {"delete": 0.1, "swap": 0.1, "unknown": 0.05, "punctuation": 0.05}
MODELS: dict[str, dict[str, Any]] = {"gru": {"kind": "gru"}, "transformer": {"kind": "transformer"}}
Folds = dict[int, tuple[pa.Table, TextState]]


def main() -> None:
    parser = arguments("sms_spam", str(__doc__))
    parser.add_argument("file", type=Path)
    parser.add_argument("--models", default="textcnn,textcnn varied")
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    seeds, folds = (1, [0]) if chosen.quick else (chosen.seeds, list(range(FOLDS)))
    config = load(CONF, raw=str(chosen.file))
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(config, folds, Path(folder))
        peer = by_words(prepared)
        claims = []
        for model in chosen.models.split(","):
            section = trained_by(config, model)
            found = [judged(prepared, section, Path(folder) / f"{model}{seed}", seed=seed) for seed in range(seeds)]
            claims += claims_of(model, found, peer)
    write(chosen.out, claims)


def prepare(config: Config, folds: list[int], folder: Path) -> Folds:
    """By the fold that is judged: its rows with ids and split, and the state that made the ids."""
    from pyspark.sql import functions as F

    from ringmill.features.splits import bucket_of

    assert config.texts is not None
    spark = open_session(SparkSection(shuffle_partitions=2), name="sms_spam", log=folder / "spark.log")
    texts = assemble_texts(read_texts(spark, config.texts), config.texts, seed=config.seed).where("status = 'clean'")
    fold = bucket_of(F.col("group_hash"), salt="fold", buckets=FOLDS)
    chooses = bucket_of(F.col("group_hash"), salt="validation", buckets=10) == 0
    texts = texts.withColumn("fold", fold).withColumn("chooses", chooses).persist()
    prepared = {}
    for judged_fold in folds:
        split = F.when(F.col("fold") == judged_fold, "test").when(F.col("chooses"), "validation").otherwise("train")
        parted = texts.withColumn("split", split)
        state = fit_texts(parted, config.texts)
        rows = parted.select("row_id", "text", "label", "split").orderBy("row_id").toArrow().combine_chunks()
        ids = encode(rows["text"].combine_chunks(), state)
        prepared[judged_fold] = (rows.append_column("ids", ids), state)
    spark.stop()
    return prepared


def trained_by(config: Config, model: str) -> Train:
    """The configuration's section train, with another model or with varied texts, by the model's name here."""
    section = config.train.model_dump(mode="json") | {"launcher": "local", "ranks": 2}
    name, _, way = model.partition(" ")
    if name in MODELS:
        section["model"] = MODELS[name]
    if way == "varied":
        section["text_augmentation"] = VARIED
    return Train.model_validate(section)


def judged(prepared: Folds, section: Train, folder: Path, *, seed: int) -> dict[str, Any]:
    """Of all folds together the true and said classes, and the longest training's seconds."""
    true, said, seconds = [], [], []
    for fold, (rows, state) in prepared.items():
        run = trained(rows, state, section, folder / str(fold), seed=seed)
        written = pq.read_table(run.folder / "predictions.parquet")
        true += written["label"].to_pylist()
        said += written["predicted"].to_pylist()
        seconds.append(sum(epoch["seconds"] for epoch in run.history))
    return {"true": np.array(true), "said": np.array(said), "seconds": max(seconds)}


def trained(rows: pa.Table, state: TextState, section: Train, folder: Path, *, seed: int) -> TrainResult:
    table = str(folder / "table")
    write_deltalake(table, rows.drop_columns(["text"]), partition_by=["split"])
    x, known = Input("ids", (state.length,), "int32", ids=state.ids), known_ids(state, section.text_augmentation)
    spec = TrainSpec(table, 0, str(folder / "run"), section, seed, x.length, f"seed{seed}", x=x, known=known)
    return train(spec, LocalLauncher())


def by_words(prepared: Folds) -> dict[str, float]:
    """Accuracy and F1 of a logistic regression on TF-IDF."""
    true: list[str] = []
    said: list[str] = []
    for rows, _ in prepared.values():
        texts, labels = (np.array(rows[name].to_pylist(), object) for name in ("text", "label"))
        test = np.array(rows["split"].to_pylist()) == "test"
        words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, token_pattern=r"(?u)\b\w+\b|[^\w\s]")
        model = LogisticRegression(C=100.0, max_iter=1_000).fit(words.fit_transform(texts[~test]), labels[~test])
        true += labels[test].tolist()
        said += model.predict(words.transform(texts[test])).tolist()
    return figures(np.array(true), np.array(said))


def figures(true: NDArray[Any], said: NDArray[Any]) -> dict[str, float]:
    return {
        "accuracy": float(accuracy_score(true, said)),
        "spam_f1": float(f1_score(true, said, pos_label=SPAM, zero_division=0)),
    }


def claims_of(model: str, found: list[dict[str, Any]], peer: dict[str, float]) -> list[dict[str, Any]]:
    claims = []
    for name, goal in (("accuracy", 0.98), ("spam_f1", 0.93)):
        samples = [figures(each["true"], each["said"])[name] for each in found]
        intervals = [interval(each["true"], each["said"], name) for each in found]
        peers = {"logistic regression on TF-IDF": peer[name]}
        more = {"intervals_95": intervals, "messages": len(found[0]["true"])}
        unit = "of the distinct messages, out of fold, mean over seeds"
        title = f"sms_spam_{model.replace(' ', '_')}_{name}"
        claims.append(claim(title, samples, unit=unit, goal=goal, better="higher", peers=peers, by=mean, **more))
    minutes = [each["seconds"] / 60 for each in found]
    title = f"sms_spam_{model.replace(' ', '_')}_training_minutes"
    unit = "minutes of training and validation on two ranks, the longest of the folds"
    return [*claims, claim(title, minutes, unit=unit, goal=3.0, better="lower", peers={})]


def interval(true: NDArray[Any], said: NDArray[Any], name: str) -> list[float]:
    found = bootstrap(lambda rows: figures(true[rows], said[rows])[name], len(true), seed=1)
    return [found.low, found.high]


if __name__ == "__main__":
    main()
