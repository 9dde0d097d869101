"""`python evaluate.py video=…`: the same as the installed command `w2l-evaluate`."""

from w2l.cli.commands import evaluate

if __name__ == "__main__":  # workers import this file
    evaluate()
