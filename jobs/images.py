"""Image files → features/<name>: spark-submit jobs/images.py CONF [--warehouse DIR] [--set key=value]."""

import sys

from ringmill.cli import command

if __name__ == "__main__":
    sys.argv[1:1] = ["images"]
    command()
