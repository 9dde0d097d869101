"""`python -m preprocess source=… data_root=… out=…`."""

from __future__ import annotations

from preprocess.command import main

if __name__ == "__main__":
    main()
