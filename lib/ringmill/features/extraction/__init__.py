"""Many columns → few: solved on the driver from moments (`fit`), applied as one product (`parts`)."""
