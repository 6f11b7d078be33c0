"""Statistics of rules through the command: fitted on the first batch, reused on the next, fitted anew when asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import DeltaTable

from ringmill.config import load
from ringmill.errors import InputError
from ringmill.pipeline.run import run_stages

CONF = Path(__file__).parents[2] / "conf" / "online_retail.yaml"
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
MEAN = "{name: usual_price, action: fix, column: unit_price, required: true, fill: mean}"


def day(price, date="2011-01-05"):
    """A line with the price, and one without a price."""
    line = f"X,thing,1,{date} 10:00:00"
    return "\n".join([HEADER, f"1,{line},{price},7,France", f"2,{line},,7,France"])


@pytest.mark.spark
def test_what_was_fitted_on_the_first_batch_is_used_on_the_next_until_refitting_is_asked_for(tmp_path, spark):
    raw = tmp_path / "orders.csv"

    def cleaned(text, *settings):
        raw.write_text(text, encoding="utf-8")
        settings = (f"raw.path={raw}", f"clean.rules=[{MEAN}]", *settings)
        (entry,) = run_stages(load(CONF, settings, warehouse=str(tmp_path / "lake")), ["clean"], session=spark)
        rows = DeltaTable(f"{tmp_path}/lake/clean/rows").to_pyarrow_table().to_pylist()
        return entry, sorted(row["unit_price"] or 0.0 for row in rows)

    first, prices = cleaned(day(2.5))
    assert (prices, first.counts["flags"]) == ([2.5, 2.5], {"usual_price": 1})
    second, prices = cleaned(day(4))
    assert prices == [2.5, 4.0]
    assert second.detail["fitted"] == first.detail["fitted"]
    assert cleaned(day(4), "clean.refit=true")[1] == [4.0, 4.0]
    # Prices that are known only after training's first cutoff are not seen: nothing is filled in.
    late, _ = cleaned(day(9, "2011-10-01"), "clean.refit=true")
    assert late.counts["reasons"] == {"missing_unit_price": 1}


@pytest.mark.spark
def test_batches_of_one_table_are_judged_by_one_statistic_and_no_fit_is_silent(tmp_path, spark, capsys):
    raw = tmp_path / "raw"
    raw.mkdir()

    def cleaned(*settings):
        given = [f"raw.path={raw}", "raw.batches=files", f"clean.rules=[{MEAN}]", "clean.fit_before=2011-06-01"]
        given += ["clean.match_cancellations=false", *settings]
        (entry,) = run_stages(load(CONF, given, warehouse=f"{tmp_path}/lake"), ["clean"], session=spark)
        rows = DeltaTable(f"{tmp_path}/lake/clean/rows").to_pyarrow_table().to_pylist()
        prices = {}
        for row in sorted(rows, key=lambda row: row["order_id"]):
            prices.setdefault(row["source_batch"], []).append(row["unit_price"])
        return entry, prices, " ".join(capsys.readouterr().err.split())

    # A batch that is wholly known later than statistics may see: the rule cannot act, and that is said.
    (raw / "1.csv").write_text(day(9, "2011-10-01"))
    entry, prices, said = cleaned()
    assert (prices, entry.detail["fitted"]["usual_price"]["values"]) == ({"1.csv": [9.0, None]}, 0)
    assert "nothing to fit usual_price on" in said
    # The first lines that it can be fitted on: the earlier batch is judged by the same statistic.
    (raw / "2.csv").write_text(day(4))
    entry, prices, said = cleaned()
    assert (prices, entry.detail["new_batches"]) == ({"1.csv": [9.0, 4.0], "2.csv": [4.0, 4.0]}, ["1.csv", "2.csv"])
    assert (entry.detail["fitted_now"], "cleaned anew" in said) == (["usual_price"], True)
    # It is kept from then on.
    (raw / "3.csv").write_text(day(6))
    entry, prices, _ = cleaned()
    assert (prices["3.csv"], entry.detail["new_batches"], entry.detail["fitted_now"]) == ([6.0, 4.0], ["3.csv"], [])
    # Anew means on all that is there, and for every row, whatever the new batch holds.
    (raw / "4.csv").write_text(day(8, "2011-10-02"))
    entry, prices, said = cleaned("clean.refit=true")
    assert prices == {"1.csv": [9.0, 5.0], "2.csv": [4.0, 5.0], "3.csv": [6.0, 5.0], "4.csv": [8.0, 5.0]}
    assert (entry.detail["fitted_now"], "anew, as clean.refit asks" in said) == (["usual_price"], True)
    again, after, _ = cleaned()
    assert (after, again.detail["fitted"]) == (prices, entry.detail["fitted"])
    (raw / "1.csv").unlink()
    with pytest.raises(InputError, match=r"(?s)clean\.refit asks.*1\.csv"):
        cleaned("clean.refit=true")


@pytest.mark.spark
def test_a_table_that_a_rule_refers_to_is_part_of_what_came_in(tmp_path, spark):
    raw, folder = tmp_path / "orders.csv", tmp_path / "countries"
    others = folder / "part-00001.csv"
    folder.mkdir()
    # As Spark writes a folder, in which a partition had no row.
    for name in ("part-00000.csv", "_SUCCESS", "._SUCCESS.crc"):
        (folder / name).touch()
    raw.write_text(day(2.5) + "\n3,X,thing,1,2011-01-05 10:00:00,1,7,Spain\n", encoding="utf-8")
    rule = f"{{name: odd_country, column: country, references: {{path: {folder}, column: name}}}}"
    config = load(CONF, [f"raw.path={raw}", f"clean.rules=[{rule}]"], warehouse=str(tmp_path / "lake"))

    def cleaned():
        return run_stages(config, ["clean"], session=spark)[0]

    others.write_text("name\nFrance\n", encoding="utf-8")
    assert cleaned().counts["reasons"] == {"missing_unit_price": 1, "odd_country": 1}
    assert cleaned().outcome == "unchanged"
    others.write_text("name\nFrance\nSPAIN\n", encoding="utf-8")
    assert cleaned().counts["reasons"] == {"missing_unit_price": 1}
    others.write_text("country\nFrance\n", encoding="utf-8")
    with pytest.raises(InputError, match="name"):
        cleaned()
