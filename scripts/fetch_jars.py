"""Fetch Delta's JARs with Spark's own package resolution: fetch_jars.py CACHE writes CACHE/jars/*.jar."""

import shutil
import sys
from importlib.metadata import version
from pathlib import Path

from pyspark.sql import SparkSession


def main(cache: Path) -> None:
    coordinates = f"io.delta:delta-spark_4.2_2.13:{version('delta-spark')}"
    (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.jars.packages", coordinates)
        .config("spark.jars.ivy", str(cache / "ivy"))
        .getOrCreate()
        .stop()
    )
    for jar in sorted((cache / "ivy" / "jars").glob("*.jar")):
        # Ivy prefixes each file with its organisation; the JAR's own name is what Spark's folder uses.
        name = jar.name.split("_", 1)[1]
        shutil.copyfile(jar, cache / "jars" / name)
        print(name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
