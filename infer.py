"""`python infer.py face=… audio=…`: the same as the installed command `w2l-infer`."""

from w2l.cli.commands import infer

infer()
