"""`python live.py`: an avatar that talks now, in the browser; see src/w2l/cli/keys/live.py."""

from w2l.cli.live import main

if __name__ == "__main__":
    main()
