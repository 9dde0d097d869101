"""`python -m w2l.checkpoints in.ckpt out.pth`: ours to the published format; out.safetensors: its
weights as safetensors; out.onnx: to ONNX; out/: a folder with a model card, ready to upload."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from w2l.checkpoints.model_folder import write_model_folder
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


def _write(options: argparse.Namespace) -> None:
    """Write what the arguments ask for.

    Raises:
        UserError: they do not go together, or it cannot be written.
    """
    given, out = options.path_out, Path(options.path_out)
    if given.endswith(("/", "\\")) or out.is_dir():
        write_model_folder(
            options.path_in, out, options.network, half=options.half, licence=options.license
        )
        print(f"{out}: read README.md, then `hf upload OWNER/{out.resolve().name} {out}`")
        return
    write = WRITERS.get(out.suffix.lower())
    if write is None:
        raise UserError(
            f"{out} does not say what is to be written: let it end in {either(list(WRITERS))}, "
            "or in / for a folder."
        )
    if options.half and write is not export_safetensors:
        raise UserError("--half is for .safetensors and folders: leave it out.")
    if options.license:
        raise UserError("--license is for the model card of a folder: let the path end in /.")
    more = {"half": True} if options.half else {}
    write(options.path_in, out, options.network, **more)  # type: ignore[operator]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m w2l.checkpoints", description=__doc__)
    parser.add_argument("path_in", type=Path, help="a checkpoint, for ONNX of any packing")
    parser.add_argument(
        "path_out", help=f"the file to write, {either(list(WRITERS))}; or a folder, as out/"
    )
    parser.add_argument("--network", choices=TRAINED, help="by default what was trained")
    parser.add_argument(
        "--half", action="store_true", help="safetensors: weights as float16, half the size"
    )
    parser.add_argument(
        "--license", help="of a folder's model card: an identifier of the Hub, as cc-by-4.0"
    )
    parser.add_argument(
        "--trust", nargs="+", default=(), metavar="PACKAGE",
        help="packages outside w2l whose networks it may name; their code runs",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    trust(options.trust)
    try:
        _write(options)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
