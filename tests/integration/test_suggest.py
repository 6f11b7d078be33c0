"""The proposal for raw input loads, and clean runs with it on that same input."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringmill.config import load
from ringmill.errors import InputError
from ringmill.generate.shop import orders_path, write_shop
from ringmill.pipeline.run import run_stages
from ringmill.pipeline.suggest import suggest

pytestmark = pytest.mark.spark
CONF = Path(__file__).parents[2] / "conf"


def cleaned(spark, tmp_path, raw):
    """The text, its configuration, and the ledger row of a run with it."""
    text = suggest(spark, str(raw))
    proposal = tmp_path / "proposal.yaml"
    proposal.write_text(text, encoding="utf-8")
    config = load(proposal, warehouse=str(tmp_path / "lake"))
    return text, config, run_stages(config, ["clean"], session=spark)[0]


def test_a_foreign_export_is_mapped_by_name_and_content(tmp_path, spark):
    header = "Invoice No;Article;Qty;Unit Price;Client ID;Land;Order Date"
    lines = [
        f"{1000 + i};A-{i % 9};{1 + i % 5};€1.{i:03},50;{7 + i % 3};France;{10 + i % 9}.01.2024" for i in range(60)
    ]
    lines += [f"R{2000 + i};A-{i};-1;€9,50;7;Spain;11.01.2024" for i in range(3)]
    raw = tmp_path / "my orders.csv"
    raw.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    text, config, entry = cleaned(spark, tmp_path, raw)
    assert config.pipeline == "my_orders"
    assert config.raw.columns == {
        "ordered_at": "Order Date",
        "quantity": "Qty",
        "unit_price": "Unit Price",
        "order_id": "Invoice No",
        "product_id": "Article",
        "customer_id": "Client ID",
        "country": "Land",
    }
    assert (config.raw.delimiter, config.raw.timestamp_formats) == (";", ("dd.MM.yyyy",))
    price = config.raw.number_formats["unit_price"]
    assert (price.decimal, price.thousands, price.currency) == (",", ".", ("€",))
    assert config.clean.cancellation == "order_id LIKE 'R%'"
    assert "3 of 3 lines with a negative quantity begin so" in text
    rules = {rule.name: rule for rule in config.clean.rules}
    assert rules["missing_order_id"].action == "reject"
    assert rules["odd_order_id"].pattern == r"\d{4}|[A-Za-z]\d{4}"
    assert rules["unknown_country"].allowed == ("France", "Spain")
    assert "unknown_product_id" not in rules
    assert entry.counts["clean"] == 63


def test_a_generated_shop_is_mapped_and_cleaned(tmp_path, spark):
    shop = load(CONF / "default.yaml", ["generate.lines=3000", "generate.customers=150"], warehouse=str(tmp_path))
    write_shop(spark, shop.generate, seed=shop.seed, folder=str(tmp_path / "raw"))
    _, config, entry = cleaned(spark, tmp_path, orders_path(str(tmp_path / "raw")))
    assert config.raw.columns == shop.raw.columns
    assert config.clean.cancellation == shop.clean.cancellation
    assert config.clean.key == ("line_id",)
    assert config.raw.timestamp_formats[0] == "yyyy-MM-dd HH:mm:ss"
    assert entry.counts["clean"] > 0.9 * entry.counts["raw"]


def test_input_without_what_a_pipeline_needs_is_refused_with_the_columns_that_were_there(tmp_path, spark):
    raw = tmp_path / "people.csv"
    raw.write_text("Invoice,Qty\n1,2\n2,3\n", encoding="utf-8")
    with pytest.raises(InputError, match="customer_id, ordered_at, product_id, unit_price"):
        suggest(spark, str(raw))


@pytest.mark.long
def test_the_real_shop_is_mapped_as_its_configuration_says(tmp_path, spark, online_retail):
    known = load(CONF / "online_retail.yaml", warehouse=str(tmp_path))
    _, config, entry = cleaned(spark, tmp_path, next(iter(sorted(online_retail.glob("*.parquet")))))
    assert config.raw.columns == known.raw.columns
    assert config.clean.cancellation == known.clean.cancellation
    assert (entry.counts["raw"], entry.counts["duplicate"]) == (541_909, 5_268)
