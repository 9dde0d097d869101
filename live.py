"""`python live.py`: an avatar that talks now, in the browser; see configs/live.yaml."""

from w2l.cli.live import main

if __name__ == "__main__":
    main()
