"""`python evaluate.py video=…`: the same as the installed command `w2l-evaluate`."""

from w2l.cli.commands import evaluate

evaluate()
