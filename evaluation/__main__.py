"""Entry point of `python -m evaluation`."""

from evaluation.command import main

if __name__ == "__main__":
    main()
