"""A table → generated/<name>: spark-submit jobs/augment.py CONF [--warehouse DIR] [--set key=value]."""

import sys

from ringmill.cli import command

if __name__ == "__main__":
    sys.argv[1:1] = ["augment"]
    command()
