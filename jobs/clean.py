"""Raw orders → clean/rows: spark-submit jobs/clean.py CONF [--raw PATH] [--warehouse DIR] [--set key=value]."""

import sys

from ringmill.cli import command

if __name__ == "__main__":
    sys.argv[1:1] = ["clean"]
    command()
