"""`python app.py`: a page in the browser; see configs/app.yaml."""

from w2l.cli.app import main

if __name__ == "__main__":
    main()
