"""`w2l doctor`, also `python -m w2l doctor`."""

from __future__ import annotations

import argparse
import sys


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `w2l`."""
    parser = argparse.ArgumentParser(
        prog="w2l",
        description="Lip-sync models. To train, dub and score: w2l-train, w2l-infer, w2l-evaluate "
        "and w2l-app, each with --help.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("doctor", help="what is here, what is missing, and how to get it")
    parser.parse_args(arguments)
    from w2l.cli.doctor import doctor

    return doctor()


if __name__ == "__main__":
    sys.exit(main())
