"""`python -m w2l.checkpoints in.ckpt out.pth`: ours to the published format; out.safetensors: its
weights as safetensors; out.onnx: to ONNX."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from w2l.checkpoints.networks import TRAINED
from w2l.checkpoints.onnx import export_onnx
from w2l.checkpoints.publish import export, export_safetensors
from w2l.errors import UserError, either
from w2l.trust import trust

# By the file's ending. Under another one a reader would expect what is not in the file.
WRITERS = {
    ".pth": export,
    ".pt": export,
    ".ckpt": export,
    ".safetensors": export_safetensors,
    ".onnx": export_onnx,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m w2l.checkpoints", description=__doc__)
    parser.add_argument("path_in", type=Path, help="a checkpoint, for ONNX of any packing")
    parser.add_argument("path_out", type=Path, help=f"the file to write, {either(list(WRITERS))}")
    parser.add_argument("--network", choices=TRAINED, help="by default what was trained")
    parser.add_argument(
        "--half", action="store_true", help="safetensors: weights as float16, half the size"
    )
    parser.add_argument(
        "--trust", nargs="+", default=(), metavar="PACKAGE",
        help="packages outside w2l whose networks it may name; their code runs",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    trust(options.trust)
    try:
        write = WRITERS.get(options.path_out.suffix.lower())
        if write is None:
            raise UserError(
                f"{options.path_out} does not say what is to be written: let it end in "
                f"{either(list(WRITERS))}."
            )
        if options.half and write is not export_safetensors:
            raise UserError("--half is for .safetensors: leave it out, or choose that ending.")
        more = {"half": True} if options.half else {}
        write(options.path_in, options.path_out, options.network, **more)  # type: ignore[operator]
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
