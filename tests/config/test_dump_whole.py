"""The whole configuration in the ledger: read again it is the same, and nothing secret is in it."""

from pathlib import Path

import pytest

from ringmill.config import Config, load
from ringmill.config.load import dump_whole

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
