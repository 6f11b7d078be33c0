import traceback

import pytest

from ringmill.config import load
from ringmill.errors import ConfigError
from ringmill.rfm.scores import check_cover

MINIMAL = """
pipeline: shop
warehouse: lake
raw:
  path: "{warehouse}/raw"
  columns: {order_id: o, product_id: p, quantity: q, unit_price: u, customer_id: c, ordered_at: t}
features: {train_cutoffs: [2024-05-01]}
"""


def written(tmp_path, text):
    path = tmp_path / "conf.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_settings_are_laid_over_the_file_and_the_warehouse_is_filled_into_the_raw_path(tmp_path):
    config = load(written(tmp_path, MINIMAL), ["train.batch=64", "rfm.cutoff=2024-06-01"], warehouse="/other")
    assert (config.train.batch, str(config.rfm.cutoff)) == (64, "2024-06-01")
    assert config.raw.path == "/other/raw"


def test_a_raw_path_from_the_command_is_taken_as_it_is_and_replaces_a_generated_shop(tmp_path):
    config = load(written(tmp_path, MINIMAL + "generate: {}\n"), raw="my: data #1.csv")
    assert (config.raw.path, config.generate) == ("my: data #1.csv", None)


def test_segments_are_a_table_of_rules_in_the_file_that_covers_each_cell_or_names_one(tmp_path):
    table = "rfm:\n  segments:\n    - {name: good, r: 4-5}\n    - {name: rest, r: 1-3}\n"
    segments = load(written(tmp_path, MINIMAL + table)).rfm.segments
    assert [(each.name, each.r, each.f, each.m) for each in segments] == [
        ("good", "4-5", "1-5", "1-5"),
        ("rest", "1-3", "1-5", "1-5"),
    ]
    check_cover(segments)
    with pytest.raises(ConfigError, match=r"rfm\.segments[\s\S]*none for r=1, f=1, m=1"):
        check_cover(load(written(tmp_path, MINIMAL + table.replace("1-3", "2-3"))).rfm.segments)


def test_an_unknown_key_names_the_nearest_one(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'train'"):
        load(written(tmp_path, MINIMAL + "trian: {}\n"))
    with pytest.raises(ConfigError, match=r"train\.batchsize[\s\S]*did you mean 'batch'"):
        load(written(tmp_path, MINIMAL), ["train.batchsize=3"])
    with pytest.raises(ConfigError, match=r"clean\.rules\.0\.colum[\s\S]*did you mean 'column'"):
        load(written(tmp_path, MINIMAL), ["clean.rules=[{name: a, colum: quantity, required: true}]"])
    with pytest.raises(ConfigError, match=r"features\.set\.1\.target\.smooth[\s\S]*did you mean 'smoothing'"):
        one, other = "{kind: missing, columns: [a]}", "{kind: target, columns: [a], smooth: 3}"
        load(written(tmp_path, MINIMAL), [f"features.set=[{one}, {other}]"])


@pytest.mark.parametrize(
    ("setting", "key"),
    [
        ("zone=Mars/Olympus", "zone"),
        ("train.batch=0", "train.batch"),
        ("features.train_cutoffs=[yesterday]", "features.train_cutoffs.0"),
        ("features.shares=[0.5, 0.4, 0.4]", "features"),
        ("features.set=[{kind: zscor, columns: [a]}]", "features.set.0"),
        ("features.set=[{kind: zscore, columns: [a, b], name: c}]", "features.set.0.zscore"),
        ("features.split={kind: time}", "features.split"),
        ("raw.columns={order_id: o}", "raw"),
        ("clean.rules=[{name: a}]", "clean.rules.0"),
        ("nonsense", "--set"),
        ("raw.delimiter=abc", "raw.delimiter"),
        ("warehouse.deeper=1", "warehouse.deeper"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_by_its_key(tmp_path, setting, key):
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, MINIMAL), [setting])
    assert key in caught.value.what
    assert caught.value.exit_status == 2


@pytest.mark.parametrize("text", ["", "- a list", "key: [", "\x00"])
def test_what_is_no_yaml_mapping_is_named_by_its_path(tmp_path, text):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.where == str(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        load(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ("{metric: distinct, column: contry, at_most: 1}", r"clean\.gates\.0\.column[\s\S]*did you mean 'country'"),
        ("{metric: failed_share, rule: write_of, at_most: 0.1}", r"clean\.gates\.0\.rule[\s\S]*write_off"),
        ("{metric: missing_share, column: line_id, at_most: 0.1}", r"clean\.gates\.0\.column[\s\S]*line_id"),
    ],
)
def test_a_gate_that_names_what_is_not_there_is_refused_before_anything_is_read(tmp_path, gate, said):
    rule = "{name: write_off, violated_when: quantity < 0}"
    with pytest.raises(ConfigError, match=said):
        load(written(tmp_path, MINIMAL), [f"clean.rules=[{rule}]", "raw.columns.country=land", f"clean.gates=[{gate}]"])


@pytest.mark.parametrize(
    "name",
    ["non_product", "missing_unit_price", "late_arrival", "rejected", "duplicate", "unreadable", "unreadable_quantity"],
)
def test_a_rule_has_no_name_that_cleaning_gives_a_mark_or_a_status(tmp_path, name):
    rule = f"{{name: {name}, action: flag, violated_when: quantity < 0}}"
    with pytest.raises(ConfigError, match=f"of Ringmill's own, unlike '{name}'"):
        load(written(tmp_path, MINIMAL), [f"clean.rules=[{rule}]"])


def test_a_quoted_z_is_refused_where_no_zone_is_stated(tmp_path):
    minimal = written(tmp_path, MINIMAL)
    passed_over = "yyyy-MM-dd'T'HH:mm:ss'Z'"
    extra = "raw.extras={seen: {column: S, type: timestamp, formats: [\"yyyy-MM-dd HH:mm'Z'\"]}}"
    for key, setting in (("raw.timestamp_formats", f'raw.timestamp_formats=["{passed_over}"]'), ("raw.extras", extra)):
        with pytest.raises(ConfigError, match="a quoted Z is a letter") as caught:
            load(minimal, [setting])
        assert key in caught.value.what
    stated = [f'{{format: "{passed_over}", zone: UTC}}', "yyyy-MM-dd'T'HH:mm:ssX", "'Zeit' yyyy-MM-dd"]
    config = load(minimal, [f'raw.timestamp_formats=[{stated[0]}, "{stated[1]}", "{stated[2]}"]'])
    assert len(config.raw.timestamp_formats) == 3


@pytest.mark.parametrize(
    "name", ["write_off", "torn_line", "unreadable_quantity", "missing_ordered_at", "late_arrival"]
)
def test_a_gate_may_name_a_rule_or_what_cleaning_says_by_itself(tmp_path, name):
    rule = "{name: write_off, violated_when: quantity < 0}"
    gate = f"{{metric: failed_share, rule: {name}, at_most: 0.1}}"
    config = load(written(tmp_path, MINIMAL), [f"clean.rules=[{rule}]", f"clean.gates=[{gate}]"])
    assert config.clean.gates[0].rule == name


HUSH = "spark: {settings: {spark.hadoop.fs.s3a.secret.key: TOPSECRET}}\n"


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        (HUSH + "augment: {}\n", []),
        (HUSH + "pipeline: [{key: TOPSECRET}]\n", []),
        (HUSH, ["spark.settings.spark.hadoop=1"]),
        ("spark: {settings: {key: [TOPSECRET]}}\n", []),
        ("spark: {settings: TOPSECRET}\n", []),
        ("spark: TOPSECRET\n", []),
        ("spark: {settings: {key: 'TOPSECRET}}\n", []),
        ("spark: {settings: {key: *TOPSECRET}}\n", []),
        ("spark: {settings: {key: !TOPSECRET}}\n", []),
        ("", ["spark={settings: {key: 'TOPSECRET}"]),
        ("", ["spark.settings.key='TOPSECRET"]),
        ("", ["spark.settings.key: TOPSECRET"]),
        ("", ["spark.settings=TOPSECRET", "spark.settings.key=a"]),
    ],
)
def test_law_10_no_error_says_what_is_set_of_spark(tmp_path, text, settings):
    """Nor does its trace, which stands in logs."""
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, MINIMAL + text), settings)
    assert "TOPSECRET" not in "".join(traceback.format_exception(caught.value))


def test_a_section_that_does_not_fit_is_said_by_its_keys(tmp_path):
    with pytest.raises(ConfigError, match=r"received: \{.*augment: ….*spark: …"):
        load(written(tmp_path, MINIMAL + "augment: {}\n" + HUSH))
    with pytest.raises(ConfigError, match="line 2, column"):
        load(written(tmp_path, "a: 1\nb: 'c"))
