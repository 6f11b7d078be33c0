"""`python -m ringmill …` is the command `ringmill …`."""

from ringmill.cli import command

command()
