"""`python app.py`: a page in the browser that syncs, on this machine and for it alone."""

from __future__ import annotations

import os
import sys
import threading

from w2l.checkpoints import chosen_generator, resolve
from w2l.cli.hydra_app import run
from w2l.cli.keys.app import App
from w2l.cli.page_files import PageFiles
from w2l.cli.page_jobs import PageJobs
from w2l.cli.page_trials import CREDIT, SHIPPED, find_trials
from w2l.cli.signals import ended_by_signals
from w2l.errors import UserError
from w2l.filelists.reading import read_names
from w2l.files import own_folder
from w2l.memory import share_heap
from w2l.paths import user_path

GRACE_S = 10  # seconds that a job has to end with the page
HERE = {"127.0.0.1", "localhost", "::1"}  # hosts that only this machine reaches


def app(settings: App) -> None:
    """Serve the page until it is interrupted.

    Raises:
        UserError: Gradio is missing, there is no such checkpoint, or the port is taken.
    """
    # Read when Gradio is loaded: the page asks nothing of other machines.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        from w2l.cli.page import Offer, build_page, files_needed
    except ImportError as error:
        raise UserError(
            "The page needs Gradio: install it with `pip install 'w2l[app]'`."
        ) from error
    # A wrong one is said now, not to the first who presses Sync.
    resolve(chosen_generator(settings.checkpoint))
    trials = find_trials(settings.examples)
    accounts = read_accounts(settings.auth)
    if accounts is None and settings.host not in HERE:
        print(
            f"warning: host={settings.host} can be reached from elsewhere, by anybody: "
            "auth=NAME:PASSWORD asks who it is.",
            file=sys.stderr,
        )
    with ended_by_signals(), own_folder("page") as folder:
        files = PageFiles(folder, settings.keep_hours * 3600)
        os.environ["GRADIO_TEMP_DIR"] = str(files.sent)
        jobs = PageJobs(settings, files.made)
        closing = threading.Event()
        images = folder / "pictures"
        images.mkdir()
        offers = [Offer(trial, trial.draw(images / f"{n}.jpg")) for n, trial in enumerate(trials)]
        credit = CREDIT if settings.examples == SHIPPED else ""
        page = build_page(jobs, offers, credit, lambda: not closing.is_set())
        files.needed = lambda: files_needed(page)
        files.start()
        try:
            page.queue(max_size=settings.max_waiting).launch(
                server_name=settings.host,
                server_port=settings.port,
                max_file_size=f"{settings.max_mb:g}mb",
                auth=accounts,
                allowed_paths=[str(folder), *(str(trial.face.parent) for trial in trials)],
                show_error=True,
                enable_monitoring=False,
                footer_links=[],
                prevent_thread_lock=True,  # Gradio takes a signal for a good end
            )
            threading.Event().wait()  # for the signal that ends it
        except OSError as error:
            raise UserError(
                f"host={settings.host} port={settings.port} cannot be served "
                "(in use, or not allowed): choose another port."
            ) from error
        finally:
            closing.set()  # ends what is being worked on, before its folder goes
            jobs.working.acquire(timeout=GRACE_S)
            files.stop()
            page.close(verbose=False)


def read_accounts(auth: str | None) -> list[tuple[str, str]] | None:
    """Names and passwords of `auth=`: one as `NAME:PASSWORD`, or a file with one a line.

    Raises:
        UserError: neither.
    """
    if auth is None:
        return None
    path = user_path(auth)
    lines = read_names(path) if path.is_file() else [str(auth)]
    accounts = [tuple(line.split(":", 1)) for line in lines]
    if not accounts or any(len(each) != 2 or not all(each) for each in accounts):
        raise UserError("auth= takes NAME:PASSWORD, or a file with one of these a line.")
    return [(name, password) for name, password in accounts]


def main() -> None:
    """Entry point of `w2l-app`."""
    share_heap()
    run(app, App)


if __name__ == "__main__":
    main()
