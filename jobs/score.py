"""What a model scores and the model → scores/…: spark-submit jobs/score.py CONF [--warehouse DIR] [--set key=value]."""

import sys

from ringmill.cli import command

if __name__ == "__main__":
    sys.argv[1:1] = ["score"]
    command()
