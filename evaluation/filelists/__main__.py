"""Entry point of `python -m evaluation.filelists`."""

from evaluation.filelists.command import main

if __name__ == "__main__":
    main()
