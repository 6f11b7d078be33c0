"""Personal data: what stands in its place, and that neither the key nor a clear value is anywhere else."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
import yaml
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from raw_lines import COLUMNS, GOOD, Lines, raw_model
from ringmill.clean import clean_rows
from ringmill.clean.keyed import fingerprint_of, hash_texts, read_key
from ringmill.clean.personal import WITHHELD
from ringmill.config import load
from ringmill.config.clean import Clean
from ringmill.config.personal import PersonalKey
from ringmill.errors import ConfigError, InputError, named_in
from ringmill.pipeline.run import run_stages

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

KEY = "k3y-of-this-test-0123456789abcdef"
EXTRAS = """
mail: {column: Mail, type: string}
phone: {column: Phone, type: string}
note: {column: Note, type: string}
plot: {column: Plot, type: bigint}
weight: {column: Weight, type: double}
born: {column: Born, type: date}
seen_at: {column: Seen, type: timestamp}
post_code: {column: Code area, type: string}
"""
PERSONAL = """
- {column: customer_id, action: hash}
- {column: mail, action: hash}
- {column: phone, action: mask, first: 1, last: 2}
- {column: note, action: drop}
- {column: plot, action: generalise, width: 100}
- {column: weight, action: generalise, width: 0.5}
- {column: born, action: generalise, to: year}
- {column: seen_at, action: generalise, to: month}
- {column: post_code, action: generalise, first: 2}
"""
NAMES = ["Mail", "Phone", "Note", "Plot", "Weight", "Born", "Seen", "Code area"]
RAW = raw_model(COLUMNS, extras=yaml.safe_load(EXTRAS))


def hashed(text: str, key: str = KEY) -> str:
    return hmac.new(key.encode(), text.encode(), "sha256").hexdigest()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "the.key"
    path.write_text(KEY + "\n", encoding="utf-8")
    return path


def cleaned(
    spark: SparkSession, lines: Lines, *, personal: str = PERSONAL, fingerprint: str | None = None, **clean: Any
) -> DataFrame:
    names = [*COLUMNS.values(), *NAMES, "source_file", "_torn"]
    values = [GOOD | {"source_file": f"{place:02d}"} | line for place, line in enumerate(lines)]
    frame = spark.createDataFrame(
        [[line.get(name) for name in names] for line in values], ", ".join(f"`{name}` string" for name in names)
    )
    model = Clean.model_validate({"personal": yaml.safe_load(personal)} | clean)
    return clean_rows(frame, raw=RAW, clean=model, zone="Europe/London", batch="b", key_fingerprint=fingerprint)


@pytest.mark.spark
def test_each_action_leaves_what_it_says_and_null_stays_null(spark: SparkSession, key_file: Path) -> None:
    lines: Lines = [
        {"Customer ID": " 13069.0"}
        | dict(zip(NAMES, ["a@b", "0123", "x", "199", "1.7", "1980-05-06", "2024-07-01 00:30", "AB12"], strict=True)),
        {"Customer ID": "13069"}
        | dict(zip(NAMES, ["a@b", "012", "", "-1", "-0.1", "1980-01-01", "2024-06-30 23:59", "A"], strict=True)),
        {"Customer ID": None},
    ]
    rows = cleaned(spark, lines, personal_key={"file": str(key_file)}).orderBy("source_file").collect()
    names = ["customer_id", *RAW.extras]
    assert [tuple(row[name] for name in names) for row in rows] == [
        # A month is a local one: half past midnight in London is still June in UTC.
        (hashed("13069"), hashed("a@b"), "0***23", None, 100, 1.5, date(1980, 1, 1), datetime(2024, 6, 30, 23), "AB"),
        (hashed("13069"), hashed("a@b"), "***", None, -100, -0.5, date(1980, 1, 1), datetime(2024, 5, 31, 23), "A"),
        (None,) * 9,
    ]
    assert [row.raw for row in rows] == [None] * 3


@pytest.mark.spark
def test_rules_judge_clear_values_and_what_is_kept_of_a_refused_line_is_not_clear(
    spark: SparkSession, key_file: Path
) -> None:
    rules = [
        {"name": "odd_mail", "column": "mail", "pattern": ".*@.*"},
        {"name": "no_note", "action": "fix", "column": "note", "required": True, "constant": "none"},
    ]
    lines: Lines = [
        {"Customer ID": "ann", "Mail": "nobody", "Note": "secret", "Plot": "12x", "Code": "cup"},
        {"Customer ID": "bob", "Mail": "b@c", "Phone": "0123"},
        {"Customer ID": "cid", "Mail": "c@d", "Note": "y"},
        {"Customer ID": "cid", "Mail": "c@d", "Note": "y", "source_file": "copy"},
        {"_torn": "dan,0123,torn"},
    ]
    rows = cleaned(spark, lines, rules=rules, personal_key={"file": str(key_file)}).orderBy("source_file").collect()
    assert [(row.status, row.reasons, row.flags) for row in rows] == [
        ("rejected", ["unreadable_plot", "odd_mail"], []),
        ("clean", [], ["no_note"]),
        ("clean", [], []),
        ("rejected", ["torn_line"], []),
        ("duplicate", ["exact_duplicate"], []),
    ]
    first = rows[0].raw
    assert (first["Customer ID"], first["Mail"]) == (hashed("ann"), hashed("nobody"))
    assert (first["Note"], first["Plot"], first.get("Phone"), first["Code"]) == (WITHHELD, WITHHELD, None, "cup")
    assert (rows[1].raw["Phone"], rows[1].raw["Customer ID"]) == (WITHHELD, hashed("bob"))
    assert rows[3].raw == {"_torn": hashed("dan,0123,torn")}
    assert rows[4].raw is None  # nothing in it is wrong: what it held, the first of the two says


@pytest.mark.spark
def test_without_a_key_a_torn_line_is_withheld(spark: SparkSession) -> None:
    (row,) = cleaned(spark, [{"_torn": "dan,torn"}], personal="[{column: note, action: drop}]").collect()
    assert row.raw == {"_torn": WITHHELD}


@pytest.mark.spark
def test_the_key_and_clear_values_are_in_no_plan(spark: SparkSession, key_file: Path) -> None:
    print_of_key = fingerprint_of(read_key(PersonalKey(file=str(key_file))))
    rows = cleaned(spark, [{"Mail": "a@b"}], personal_key={"file": str(key_file)}, fingerprint=print_of_key)
    execution = rows._jdf.queryExecution()
    plans = execution.toString() + execution.explainString(_mode(spark, "extended")) + execution.analyzed().toJSON()
    assert "keyed(" in plans  # the function is there, by its name
    assert KEY not in plans
    assert KEY.encode().hex() not in plans
    assert rows.collect()[0].mail == hashed("a@b")


def _mode(spark: SparkSession, name: str) -> Any:
    return spark._jvm.org.apache.spark.sql.execution.ExplainMode.fromString(name)


@pytest.mark.spark
def test_a_worker_that_lacks_the_key_or_has_another_says_so(
    spark: SparkSession, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Workers were started before the variable was set.
    monkeypatch.setenv("RINGMILL_TEST_KEY", KEY)
    of_env = {"env": "RINGMILL_TEST_KEY"}
    assert read_key(PersonalKey(**of_env)) == KEY.encode()
    cases = [(of_env, "no such variable"), ({"file": str(key_file)}, "another key")]
    for place, words in cases:
        other = fingerprint_of(b"another key of 16 or more bytes")
        with pytest.raises(PySparkException) as caught:
            cleaned(spark, [{}], personal_key=place, fingerprint=other).collect()
        named = named_in(str(caught.value))
        assert isinstance(named, ConfigError)
        assert words in named.received
        assert KEY not in str(caught.value)


@pytest.mark.parametrize("content", [None, "", "short", " " * 40 + "fifteen bytes.." + "\n" * 9])
def test_a_key_that_is_missing_or_short_is_refused_without_a_byte_of_it(
    tmp_path: Path, content: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    monkeypatch.delenv("RINGMILL_TEST_KEY", raising=False)
    if content is not None:
        path.write_text(content, encoding="utf-8")
        monkeypatch.setenv("RINGMILL_TEST_KEY", content)
    for place in ({"file": str(path)}, {"env": "RINGMILL_TEST_KEY"}):
        with pytest.raises(ConfigError, match=r"clean\.personal_key") as caught:
            read_key(PersonalKey(**place))
        assert not (content or "").strip() or content.strip() not in str(caught.value)


def test_equal_texts_have_equal_hashes_and_another_key_other_ones(key_file: Path) -> None:
    place = PersonalKey(file=str(key_file))
    texts = pa.array(["é", None, "b", "é", ""])
    assert hash_texts(texts, place, None).to_pylist() == [hashed("é"), None, hashed("b"), hashed("é"), hashed("")]
    assert hash_texts(texts[:0], place, None).to_pylist() == []
    before = fingerprint_of(read_key(place))
    assert KEY not in before and len(before) == 64
    key_file.write_text(KEY + "!", encoding="utf-8")
    assert fingerprint_of(read_key(place)) != before
    assert hash_texts(texts, place, None)[0].as_py() == hashed("é", KEY + "!")


CONF = """
pipeline: shop
warehouse: lake
raw:
  path: x
  columns: {order_id: o, product_id: p, quantity: q, unit_price: u, customer_id: c, country: l, ordered_at: t}
  extras: {mail: {column: Mail, type: string}, age: {column: Age, type: bigint}, fit: {column: Fit, type: double}}
clean:
  unreadable_at_most: 0.9
  rules: [{name: odd_mail, column: mail, pattern: ".*@.*"}]
features: {train_cutoffs: [2024-05-01]}
"""
FILE = """o,p,q,u,c,l,t,Mail,Age,Fit
1,A,1,2.5,clear-ann,France,2024-01-05 10:00:00,clear-ann@x,33,1
2,A,1,2.5,clear-bob,France,2024-01-05 10:00:00,clear-bob,34,1
3,A,many,2.5,clear-cid,France,2024-01-05 10:00:00,clear-cid@x,35,1
4,A,1,2.5,clear-dan,France
5,A,1,2.5,clear-ann,France,2024-01-06 10:00:00,clear-ann@x,33,1
"""
OF_MAIL = "[{column: customer_id, action: hash}, {column: mail, action: mask, last: 2}]"


def loaded(tmp_path: Path, *settings: str) -> Any:
    path = tmp_path / "conf.yaml"
    path.write_text(CONF, encoding="utf-8")
    return load(path, settings, warehouse=str(tmp_path / "lake"))


@contextmanager
def event_log(spark: SparkSession, folder: Path) -> Iterator[None]:
    """Write Spark's events meanwhile to files of `folder`, as spark.eventLog.enabled does for a whole session."""
    folder.mkdir()
    jvm, context = spark.sparkContext._jvm, spark.sparkContext._jsc.sc()
    conf = context.conf().clone().set("spark.eventLog.compress", "false")
    place, unnamed = jvm.java.net.URI(folder.as_uri()), jvm.scala.Option.empty()
    events = jvm.org.apache.spark.scheduler.EventLoggingListener(
        "events", unnamed, place, conf, context.hadoopConfiguration()
    )
    events.start()
    context.addSparkListener(events)
    try:
        yield
    finally:
        context.listenerBus().waitUntilEmpty()
        context.removeSparkListener(events)
        events.stop()


@pytest.mark.spark
def test_neither_the_key_nor_a_clear_value_is_in_any_byte_of_the_warehouse_a_log_an_event_or_an_error(
    spark: SparkSession, tmp_path: Path, key_file: Path
) -> None:
    raw = tmp_path / "orders.csv"
    raw.write_text(FILE, encoding="utf-8")
    settings = [f"raw.path={raw}", f"clean.personal={OF_MAIL}", f"clean.personal_key={{file: {key_file}}}"]
    codec = "spark.sql.parquet.compression.codec"
    before = spark.conf.get(codec)
    spark.conf.set(codec, "uncompressed")  # texts stand in the files as they are
    try:
        with event_log(spark, tmp_path / "events"):
            (entry,) = run_stages(loaded(tmp_path, *settings), ["clean"], session=spark)
            (again,) = run_stages(loaded(tmp_path, *settings), ["clean"], session=spark)
            with pytest.raises(InputError, match=r"unreadable_quantity|torn_line") as caught:
                refusing = loaded(tmp_path, *settings, "clean.unreadable_at_most=0.1")
                run_stages(refusing, ["clean"], session=spark)
            key_file.write_text("another-key-0123456789", encoding="utf-8")
            (other,) = run_stages(loaded(tmp_path, *settings), ["clean"], session=spark)
    finally:
        spark.conf.set(codec, before)
    assert (entry.outcome, again.outcome, other.outcome) == ("published", "unchanged", "published")
    assert entry.counts["raw"] == 5
    folders = (tmp_path / "lake", tmp_path / "events")
    written, events = (b"".join(path.read_bytes() for path in of.rglob("*") if path.is_file()) for of in folders)
    for text in ("SparkListenerTaskEnd", "SparkListenerSQLExecutionStart", "keyed("):
        assert text.encode() in events
    options = spark.conf.get("spark.driver.extraJavaOptions") or ""
    log = re.search(r"-Dringmill\.log=(\S+)", options)
    assert log is not None
    everywhere = (
        written + events + Path(log[1]).read_bytes() + str(caught.value).encode() + repr((entry, other)).encode()
    )
    # The search finds what is there: a value that is not personal, a hash, and the place of the key.
    for text in ("France", hashed("clear-ann"), hashed("clear-ann", "another-key-0123456789"), str(key_file)):
        assert text.encode() in everywhere
    for text in (KEY, "another-key-0123456789", "clear-"):
        assert text.encode() not in everywhere


@pytest.mark.spark
def test_a_condition_that_fails_on_a_personal_value_does_not_show_it(
    spark: SparkSession, tmp_path: Path, key_file: Path
) -> None:
    raw = tmp_path / "orders.csv"
    raw.write_text(FILE, encoding="utf-8")
    failing = "clean.rules=[{name: bad, violated_when: CAST(mail AS INT) > 1}]"
    settings = [f"raw.path={raw}", f"clean.personal={OF_MAIL}", f"clean.personal_key={{file: {key_file}}}", failing]
    with pytest.raises(ConfigError, match="CAST_INVALID_INPUT") as caught:
        run_stages(loaded(tmp_path, *settings), ["clean"], session=spark)
    assert "clear-" not in str(caught.value)


@pytest.mark.parametrize(
    ("personal", "words"),
    [
        ("{column: male, action: drop}", "did you mean 'mail'"),
        ("{column: mail, action: hash}", "the place of a key"),
        ("{column: unit_price, action: drop}", "reckon with"),
        ("{column: customer_id, action: drop}", "one of its own"),
        ("{column: age, action: mask}", "type: string"),
        ("{column: age, action: generalise, width: 2.5}", "whole 'width'"),
        ("{column: age, action: generalise, to: year}", "dates or times"),
        ("{column: mail, action: generalise, width: 5}", "a column of numbers"),
        ("{column: mail, action: generalise}", "one of 'width'"),
        ("{column: mail, action: generalise, last: 5}", "one of 'width'"),
        ("{column: mail, action: drop, first: 5}", "'drop' without first"),
        ("{column: mail, action: drop}, {column: mail, action: mask}", "one entry for a column"),
    ],
)
def test_what_cannot_be_said_of_a_personal_column_is_refused(tmp_path: Path, personal: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        loaded(tmp_path, f"clean.personal=[{personal}]")


@pytest.mark.parametrize("rule", ["column: country, group: [mail]", "column: mail"])
def test_no_statistic_keeps_personal_values(tmp_path: Path, rule: str) -> None:
    fill = f"clean.rules=[{{name: r, action: fix, required: true, fill: mode, {rule}}}]"
    with pytest.raises(ConfigError, match="the ledger would keep them"):
        loaded(tmp_path, "clean.personal=[{column: mail, action: drop}]", fill)
    with pytest.raises(ConfigError, match="one of 'file' and 'env'"):
        loaded(tmp_path, "clean.personal_key={file: a, env: b}")


@pytest.mark.spark
def test_only_the_texts_to_be_hashed_go_to_python(spark: SparkSession, key_file: Path) -> None:
    rows = cleaned(spark, [{}], personal_key={"file": str(key_file)})
    plan = rows._jdf.queryExecution().executedPlan().toString()
    assert plan.count("ArrowEvalPython") == 1, plan
    assert plan.count("Exchange") == 1, plan
    assert rows.where(F.col("customer_id") == hashed("13069")).count() == 1
