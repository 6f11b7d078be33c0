"""What each family of a feature set's kinds costs: fitting it and applying it, by a bare read and write.

The table is that of `features.py` with an instant, a text of twelve words and a list of ten numbers besides, four
fifths of it train rows. Each round times, one family after the other: `bare`, a Spark job that reads the family's
encoded table (its inputs, x and the tensors beside it) and writes it again; `fit`, the family's statistics; `apply`,
its inputs read, encoded through `mapInArrow` and written. Selection has no `apply`: `fit` is all its steps over six
numbers, by a bare read and write of these, the label, the group and the id. Samples are ratios within a round. Beside
some families scikit-learn fits and transforms the same columns in memory, from the same files.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from common import arguments, claim, seconds, write
from pydantic import TypeAdapter

from features import NUMBERS, encoded, write_table
from ringmill.config.features import FeatureEntry
from ringmill.config.models import SparkSection
from ringmill.config.selection import SelectionStep
from ringmill.features.fit import fit
from ringmill.features.selection.fit import select
from ringmill.lake.session import open_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROWS, QUICK = 1_000_000, 50_000
GOAL = 2.0
SOUND = NUMBERS[:6]
FAMILIES: dict[str, list[dict[str, Any]]] = {
    "numbers": [
        {"kind": "zscore", "columns": SOUND, "name": "{column} z"},
        {"kind": "minmax", "columns": SOUND, "name": "{column} in range"},
        {"kind": "robust", "columns": SOUND[:2], "name": "{column} robust"},
        {"kind": "log", "columns": SOUND, "name": "{column} log"},
        {"kind": "quantile_bins", "columns": SOUND[:2], "name": "{column} bin"},
    ],
    "boxcox": [{"kind": "boxcox", "columns": SOUND[:2], "name": "{column} boxcox", "null": 0}],
    "categories": [
        {"kind": "one_hot", "columns": ["few"], "most": 20, "name": "one of few"},
        {"kind": "ordinal", "columns": ["few"], "name": "place of few"},
        {"kind": "frequency", "columns": ["many"], "name": "share of many"},
        {"kind": "hashed", "columns": ["many"], "buckets": 64, "name": "bucket of many"},
        {"kind": "target", "columns": ["many"], "label": "label"},
        {"kind": "cross", "columns": ["few", "many"], "encoding": "hashed", "buckets": 64},
    ],
    "calendar": [
        {"kind": "calendar", "columns": ["at"], "parts": ["weekday", "hour", "month"], "output": "wave"},
        {"kind": "holidays", "columns": ["at"], "days": ["2024-12-25", "2025-01-01"]},
    ],
    "pca and lda": [
        {"kind": "pca", "columns": SOUND, "components": 3},
        {"kind": "lda", "columns": SOUND, "label": "label"},
    ],
    "tfidf": [{"kind": "tfidf", "columns": ["words"], "size": 200}],
    "hashed text": [{"kind": "hashed_text", "columns": ["words"], "buckets": 256}],
    "token ids": [{"kind": "token_ids", "columns": ["words"], "length": 16, "size": 5_000}],
    "sequence": [{"kind": "sequence", "columns": ["gaps"], "name": "gaps_scaled", "length": 8, "null": 0}],
}
SELECTION = {
    "filters": [
        {"kind": "variance"},
        {"kind": "correlation"},
        {"kind": "anova", "label": "label", "p_at_most": 1.0},
        {"kind": "mutual_information", "label": "label", "keep": 4, "features": ["number_0", "number_1"]},
    ],
    "wrappers and L1": [
        {"kind": "elimination", "label": "label", "task": "classification", "group": "many", "keep": 4},
        {"kind": "forward", "label": "label", "task": "classification", "group": "many", "keep": 2},
        {"kind": "l1", "label": "label", "task": "classification", "group": "many"},
    ],
}
COLUMNS = (*NUMBERS, "few", "many", "at", "words", "gaps")
Work = Callable[[], object]


def write_more(spark: SparkSession, folder: str, rows: int) -> DataFrame:
    """The table of `features.py` with at, words (of 20,000, some much more frequent) and gaps."""
    from pyspark.sql import functions as F

    def draw(seed: int) -> Any:
        return F.abs(F.xxhash64("row_id", F.lit(seed))) % 1_000_000 / 1_000_000

    word = [F.concat(F.lit("w"), F.floor(F.pow(draw(50 + place), F.lit(4.0)) * 20_000)) for place in range(12)]
    frame = (
        spark.read.format("delta")
        .load(write_table(spark, folder, rows))
        .withColumns(
            {
                "at": F.timestamp_seconds(F.lit(1_704_067_200) + F.floor(draw(70) * 31_536_000)),
                "words": F.concat_ws(" ", *word),
                "gaps": F.array(
                    *(F.when(draw(80 + place) > 0.1, F.round(draw(90 + place) * 90, 1)) for place in range(10))
                ),
            }
        )
    )
    path = f"{folder}/more-{rows}"
    frame.write.format("delta").save(path)
    return spark.read.format("delta").load(path)


def works_of(spark: SparkSession, table: DataFrame, folder: str, family: str) -> dict[str, Work]:
    """What is timed of a family; `bare` reads what `apply` wrote."""
    train, out, again = table.where("split = 'train'"), f"{folder}/{family}", f"{folder}/{family} again"

    def bare() -> None:
        spark.read.format("delta").load(out).write.format("delta").mode("overwrite").save(again)

    if family in SELECTION:
        steps = TypeAdapter(tuple[SelectionStep, ...]).validate_python(SELECTION[family])
        table.select("row_id", "label", "many", *SOUND).write.format("delta").save(out)
        return {"bare": bare, "fit": lambda: select(train, SOUND, steps, seed=1)}
    entries = TypeAdapter(tuple[FeatureEntry, ...]).validate_python(FAMILIES[family])
    state = fit(train, entries, columns=COLUMNS)
    read = table.select("row_id", "fold", *sorted(name for name, _ in state.inputs))
    encoded(read, state, out)
    return {
        "bare": bare,
        "fit": lambda: fit(train, entries, columns=COLUMNS),
        "apply": lambda: encoded(read, state, out),
    }


def peers(path: str) -> dict[str, Any]:
    """scikit-learn's seconds for reading a family's columns, fitting and transforming."""
    import sklearn
    from deltalake import DeltaTable
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.feature_selection import f_classif

    def of(*names: str) -> Any:
        return DeltaTable(path).to_pandas(columns=list(names))

    def components() -> None:
        rows = of(*SOUND, "label")
        PCA(3).fit_transform(rows[list(SOUND)])
        LinearDiscriminantAnalysis().fit(rows[list(SOUND)], rows["label"]).transform(rows[list(SOUND)])

    def scores() -> None:
        rows = of(*SOUND, "label")
        f_classif(rows[list(SOUND)], rows["label"])

    writes_nothing = "writes nothing, holds all rows in memory, takes the rows of all splits"
    works = {
        "pca and lda": (components, writes_nothing),
        "tfidf": (lambda: TfidfVectorizer(max_features=200).fit_transform(of("words")["words"]), writes_nothing),
        "filters": (scores, f"{writes_nothing}, gives ANOVA's F alone: no correlation, no mutual information"),
    }
    return {
        name: {"seconds": [seconds(work) for _ in range(3)], "version": sklearn.__version__, "does_not": not_done}
        for name, (work, not_done) in works.items()
    }


def main() -> None:
    parser = arguments("features_kinds", __doc__ or "")
    parser.add_argument("--rows", type=int, help="of the table")
    parser.add_argument("--rounds", type=int, help="default 5, with --quick 1")
    options = parser.parse_args()
    rows, rounds = options.rows or (QUICK if options.quick else ROWS), options.rounds or (1 if options.quick else 5)
    families = [*FAMILIES, *SELECTION]
    with tempfile.TemporaryDirectory() as folder:
        settings = {"spark.sql.warehouse.dir": f"{folder}/warehouse"}
        spark = open_session(SparkSection(settings=settings), name="bench", log=Path(folder) / "spark.log")
        try:
            table = write_more(spark, folder, rows)
            works = {family: works_of(spark, table, folder, family) for family in families}
            for work in (work for of in works.values() for work in of.values()):
                work()  # the JVM compiles its plans
            found: dict[str, list[dict[str, float]]] = {family: [] for family in families}
            for _ in range(rounds):
                for family, of in works.items():
                    found[family].append({name: seconds(work) for name, work in of.items()})
        finally:
            spark.stop()
        beside = peers(f"{folder}/more-{rows}")
    write(options.out, [one for family in families for one in claims_of(family, rows, found[family], beside)])


def claims_of(family: str, rows: int, rounds: list[dict[str, float]], beside: dict[str, Any]) -> list[dict[str, Any]]:
    parts = {name: median(one[name] for one in rounds) for name in rounds[0]}
    told = {"bare read and write, seconds": parts["bare"], "scikit-learn": beside.get(family, "not compared")}
    more: dict[str, Any] = {
        "rows": rows,
        "seconds": parts,
        "better": "lower",
        "unit": "× bare",
        "goal": GOAL,
        "peers": told,
    }
    name = family.replace(" ", "_")
    return [
        claim(f"{what}_{name}_over_bare", [one[what] / one["bare"] for one in rounds], **more)
        for what in parts
        if what != "bare"
    ]


if __name__ == "__main__":
    main()
