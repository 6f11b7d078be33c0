"""A pipeline of texts alone: its own default input, and what cannot stand beside each other."""

from pathlib import Path

import pytest

from ringmill.config import load
from ringmill.errors import ConfigError

CONF = Path(__file__).resolve().parents[2] / "conf" / "sms_spam.yaml"
RAW = """
raw:
  path: orders.csv
  columns: {order_id: o, product_id: p, quantity: q, unit_price: u, customer_id: c, ordered_at: t}
features: {train_cutoffs: [2024-05-01]}
"""


def test_texts_alone_are_a_pipeline_whose_file_the_command_may_replace():
    config = load(CONF, warehouse="/lake")
    assert config.examples is config.texts
    assert config.texts.path == "/lake/raw/messages.tsv"
    own = load(CONF, raw="/data/SMSSpamCollection").texts
    assert (own.path, own.generate) == ("/data/SMSSpamCollection", None)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["train.task.kind=purchase", "train.task.label=null"], "task"),
        (["images={name: a, path: b, decoding: {height: 2, width: 2}}"], "'images' or 'texts' without both"),
        (["embeddings={}"], "'embeddings' with 'raw' and 'features' beside it"),
        (["texts.columns=[label, message]"], "'columns' that hold text"),
        (["texts.quote='\"'"], "with 'generate', which writes so"),
        (["texts.format=jsonl", "texts.generate=null"], "lines of JSON name their own"),
        (["texts.label=text"], "other than 'text'"),
        (["texts.shares=[0.5, 0.1, 0.1]"], "add up to 1"),
        (["texts.tokens.pad=start"], "texts.tokens.pad"),
        (["texts.token.size=3"], "did you mean 'tokens'"),
        (["route.precision=0"], "route.precision"),
        (["train.text_augmentation.synonym=0.5"], "'synonyms', where 'synonym'"),
        (["train.text_augmentation.synonyms={good: []}"], "at least for 'good'"),
    ],
)
def test_what_does_not_fit_is_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        load(CONF, settings)


def test_texts_and_routes_do_not_stand_beside_orders(tmp_path):
    path = tmp_path / "conf.yaml"
    for more, words in (
        ("texts: {name: a, path: b}\n", "a pipeline of their own"),
        ("route: {positive: a}\n", "'route' in a pipeline of texts"),
    ):
        path.write_text("pipeline: a\nwarehouse: b\n" + RAW + more, encoding="utf-8")
        with pytest.raises(ConfigError, match=words):
            load(path)
