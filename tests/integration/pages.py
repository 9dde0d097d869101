"""A command that serves a page, in a process of its own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.waiting import FOR_EVER

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@contextmanager
def serving(
    command: Callable[[int], Sequence[str]], folder: Path, env: Mapping[str, str]
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Address and process of a page that answers; it is ended by SIGTERM.

    Args:
        command: the command line, given a free port.
        folder: that it runs in.
        env: its environment.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command(port), cwd=folder, env=env) as server:
        try:
            while True:
                assert server.poll() is None, "the page ended"
                try:
                    urlopen(address, timeout=FOR_EVER).close()
                    break
                except (URLError, TimeoutError):
                    time.sleep(0.2)
            yield address, server
        finally:
            server.terminate()
