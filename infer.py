"""`python infer.py face=… audio=…`: the same as the installed command `w2l-infer`."""

from w2l.cli.commands import infer

if __name__ == "__main__":  # workers import this file
    infer()
