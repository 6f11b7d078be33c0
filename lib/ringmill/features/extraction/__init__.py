"""Many columns → few: fitted from moments on the driver, applied as one product. No Spark but in `fit`."""
