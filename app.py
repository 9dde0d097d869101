"""`python app.py`: a page in the browser; see src/w2l/cli/keys/app.py."""

from w2l.cli.app import main

if __name__ == "__main__":
    main()
