"""`w2l doctor`, also `python -m w2l doctor`."""

from __future__ import annotations

import argparse
import sys


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `w2l`."""
    parser = argparse.ArgumentParser(
        prog="w2l",
        description="Lip-sync models. To train, dub and score: w2l-train, w2l-infer, w2l-evaluate, "
        "w2l-app and w2l-live, each with --help.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    told = commands.add_parser("doctor", help="what is here, what is missing, and how to get it")
    told.add_argument(
        "published", nargs="?", metavar="published=DIR", type=_published,
        help="check the released files in a folder: hashes, SyncNet's published answers, and what "
        "a generator makes of a shipped clip",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if options.published is not None:
        from w2l.cli.doctor_published import check_published

        return check_published(options.published)
    from w2l.cli.doctor import doctor

    return doctor()


def _published(text: str) -> str:
    """The folder of `published=DIR`.

    Raises:
        ArgumentTypeError: it is another word.
    """
    key, _, value = text.partition("=")
    if key != "published" or not value:
        raise argparse.ArgumentTypeError(f"{text} is unknown: write published=DIR")
    return value


if __name__ == "__main__":
    sys.exit(main())
