"""The whole configuration in the ledger: read again it is the same, and nothing secret is in it."""

from pathlib import Path

import pytest
import yaml

from ringmill.config import Config, load
from ringmill.config.load import dump, dump_whole, recorded

CONF = Path(__file__).parents[2] / "conf"


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_recorded_configuration_is_read_again_as_it_was(path):
    config = load(path, ["spark.settings={}"])
    assert Config.model_validate(dump_whole(config)) == config


def test_keys_of_spark_and_of_uris_are_not_recorded():
    settings = ["spark.settings={spark.hadoop.fs.s3a.secret.key: hush}", "raw.path=s3://me:hush@host/rows"]
    tree = dump_whole(load(CONF / "online_retail.yaml", settings))
    assert "hush" not in str(tree)
    assert tree["raw"]["path"] == "s3://host/rows"


def own(path: str, **sections: object) -> Config:
    tree = {"pipeline": "own", "warehouse": "w", "table": {"name": "mine", "path": path, "shape": [3]}, **sections}
    return Config.model_validate(yaml.safe_load(yaml.safe_dump(tree)))


def test_a_query_of_the_web_is_recorded_by_its_names_and_read_again():
    address = "https://host/api?api_key=hush&team=hush&hush"
    tree = dump_whole(own("t", openlineage={"url": address}, spark={"settings": {}}))
    assert tree["openlineage"]["url"] == "https://host/api?api_key=***&team=***&***"
    assert Config.model_validate(tree).openlineage.url == tree["openlineage"]["url"]
    assert dump_whole(own("s3://b/t?region=eu"))["table"]["path"] == "s3://b/t?region=eu"


def test_a_section_in_the_ledger_and_in_keys_has_no_password_and_is_the_same_with_the_next():
    before, after = (dump(own(f"s3://me:{password}@host/rows").table) for password in ("hush", "hu@sh"))
    assert before == after
    assert before["path"] == "s3://host/rows"


def test_a_rules_pattern_that_looks_like_an_address_stays_as_it_is():
    rule = {"name": "login", "column": "product_id", "pattern": "^[a-z]+://.*@", "action": "flag"}
    config = load(CONF / "default.yaml", [f"clean.rules=[{rule}]"])
    assert dump(config.clean)["rules"][0]["pattern"] == rule["pattern"]


def test_input_is_recorded_from_the_root_and_what_a_table_refers_to_as_it_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load(CONF / "online_retail.yaml", ["rfm.currency={into: GBP, rates: rates.csv}"], raw="orders/*.csv")
    tree = recorded(config)
    assert tree["raw"]["path"] == f"{tmp_path}/orders/*.csv"
    assert tree["rfm"]["currency"]["rates"] == "rates.csv"
    assert recorded(Config.model_validate(tree)) == tree
    assert recorded(own("s3://b/t"))["table"]["path"] == "s3://b/t"
