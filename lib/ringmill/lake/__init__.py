"""The Spark session, the only Spark reads and writes of tables, and the run ledger."""
