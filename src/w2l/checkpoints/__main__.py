"""`python -m w2l.checkpoints in.ckpt out.pth`: ours to the published format."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from w2l.checkpoints.networks import TRAINED
from w2l.checkpoints.publish import export
from w2l.errors import UserError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m w2l.checkpoints", description=__doc__)
    parser.add_argument("path_in", type=Path, help="a checkpoint written by train.py")
    parser.add_argument("path_out", type=Path, help="the published format's file to write")
    parser.add_argument("--network", choices=TRAINED, help="by default what was trained")
    options = parser.parse_args(arguments)
    try:
        export(options.path_in, options.path_out, options.network)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
