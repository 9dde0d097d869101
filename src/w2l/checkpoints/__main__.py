"""`python -m w2l.checkpoints in.ckpt out.pth`: ours to the published format; out.onnx: to ONNX."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from w2l.checkpoints.networks import TRAINED
from w2l.checkpoints.onnx import export_onnx
from w2l.checkpoints.publish import export
from w2l.errors import UserError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m w2l.checkpoints", description=__doc__)
    parser.add_argument("path_in", type=Path, help="a checkpoint, for ONNX of any packing")
    parser.add_argument(
        "path_out", type=Path, help="the file to write: .onnx, or the published format"
    )
    parser.add_argument("--network", choices=TRAINED, help="by default what was trained")
    options = parser.parse_args(arguments)
    try:
        write = export_onnx if options.path_out.suffix.lower() == ".onnx" else export
        write(options.path_in, options.path_out, options.network)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
