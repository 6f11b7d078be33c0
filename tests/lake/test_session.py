"""What the session of a laptop is set to, asked of the JVM."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark


def test_a_broadcast_of_a_few_rows_does_not_take_a_sixteenth_of_a_cores_memory(spark: SparkSession) -> None:
    memory = spark._jvm.org.apache.spark.SparkEnv.get().memoryManager()
    assert memory.pageSizeBytes() == 4 * 2**20
