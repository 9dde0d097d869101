"""`python app.py`: a page in the browser that syncs, on this machine and for it alone."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from omegaconf import DictConfig, OmegaConf

from w2l.checkpoints import resolve
from w2l.cli.hydra_app import run
from w2l.cli.page_jobs import PageJobs
from w2l.errors import UserError
from w2l.memory import share_heap
from w2l.paths import user_path
from w2l.scoring import find_videos

EXAMPLES = 3


def app(cfg: DictConfig) -> None:
    """Serve the page until it is interrupted.

    Raises:
        UserError: Gradio is missing, there is no such checkpoint, or the port is taken.
    """
    settings: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    # Read when Gradio is loaded: the page asks nothing of other machines.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        from w2l.cli.page import build_page
    except ImportError as error:
        raise UserError(
            "The page needs Gradio: install it with `pip install 'w2l[app]'`."
        ) from error
    resolve(settings["checkpoint"])  # a wrong one is said now, not to the first who presses Sync
    for key in ("max_seconds", "max_mb", "max_waiting", "keep_hours"):
        if type(settings[key]) not in (int, float) or settings[key] <= 0:
            raise UserError(f"{key}={settings[key]} must be a number, more than 0.")
    clips = None if settings["examples"] is None else user_path(settings["examples"])
    with TemporaryDirectory(prefix="w2l_") as folder:
        jobs = PageJobs(settings, Path(folder))
        page = build_page(jobs, find_examples(clips), round(settings["keep_hours"] * 3600))
        try:
            page.queue(max_size=settings["max_waiting"]).launch(
                server_name=settings["host"],
                server_port=settings["port"],
                max_file_size=f"{settings['max_mb']:g}mb",
                allowed_paths=[folder] if clips is None else [folder, str(clips)],
                show_error=True,
                enable_monitoring=False,
                footer_links=[],
            )
        except OSError as error:
            raise UserError(
                f"host={settings['host']} port={settings['port']} cannot be served "
                "(in use, or not allowed): choose another port."
            ) from error


def find_examples(folder: Path | None) -> list[list[str]]:
    """Pairs of clips of different speakers; none where there is no such folder."""
    if folder is None or not folder.is_dir():
        return []
    clips = [str(path) for path in find_videos(folder)]
    by_speaker: dict[str, str] = {}
    for clip in clips:
        by_speaker.setdefault(str(Path(clip).parent), clip)
    firsts = list(by_speaker.values())
    return [[a, b] for a, b in pairwise(firsts)][:EXAMPLES]


def main() -> None:
    """Entry point of `w2l-app`."""
    share_heap()
    run(app, "app")


if __name__ == "__main__":
    main()
