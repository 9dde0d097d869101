"""Loggers that need a word before they start."""

from __future__ import annotations

import csv
import logging
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter
from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities import rank_zero_warn

from w2l.errors import UserError
from w2l.files import atomic_path
from w2l.offline import is_offline


class Dashboard:
    """The loggers of a run at one update; what a logger cannot show, it is not given.

    Args:
        trainer: whose loggers.
        update: the point on the time axis.
    """

    def __init__(self, trainer: pl.Trainer, update: int) -> None:
        self.update = update
        runs = trainer.loggers if trainer.is_global_zero else []
        self._wandb = [x.experiment for x in runs if isinstance(x, WandbLogger)]
        self._tensorboard = [x.experiment for x in runs if isinstance(x, TensorBoardLogger)]

    def image(self, name: str, path: Path, caption: str | None = None) -> None:
        """A PNG file."""
        self._log(name, lambda wandb: wandb.Image(str(path), caption=caption))
        from skimage import io

        for board in self._tensorboard:
            board.add_image(name, io.imread(path), self.update, dataformats="HWC")

    def video(self, name: str, path: Path, caption: str | None = None) -> None:
        """An MP4 file with its sound, which TensorBoard cannot show."""
        self._log(name, lambda wandb: wandb.Video(str(path), caption=caption, format="mp4"))

    def histogram(self, name: str, values: np.ndarray) -> None:
        """Distribution of the values (n,)."""
        self._log(name, lambda wandb: wandb.Histogram(values.tolist()))
        for board in self._tensorboard:
            board.add_histogram(name, values, self.update)

    def table(self, name: str, rows: Sequence[dict[str, Any]]) -> None:
        """Rows with the same keys."""
        columns: list[str | int] = list(rows[0]) if rows else []
        data = [list(row.values()) for row in rows]
        self._log(name, lambda wandb: wandb.Table(columns=columns, data=data))
        for board in self._tensorboard:
            lines = ["|".join(map(str, columns)), "|".join("-" * len(columns))]
            lines += ["|".join(str(value) for value in row) for row in data]
            board.add_text(name, "\n".join(lines), self.update)

    def text(self, name: str, text: str) -> None:
        """A message that should be seen."""
        for run in self._wandb:
            run.alert(title=name, text=text)
        for board in self._tensorboard:
            board.add_text(name, text, self.update)

    def _log(self, name: str, make: Callable[[Any], object]) -> None:
        if not self._wandb:
            return
        import wandb  # half a second, which runs without it need not pay

        for run in self._wandb:
            run.log({name: make(wandb), "trainer/global_step": self.update})


class _Writer(ExperimentWriter):
    """Keeps what is there, and rewrites the file as a whole or not at all."""

    def _check_log_dir_exists(self) -> None:
        """Lightning would delete the curves of before."""

    def _rewrite_with_new_header(self, fieldnames: list[str]) -> None:
        self.rewrite(fieldnames, lambda row: True)

    def rewrite(self, fieldnames: list[str], keep: Callable[[dict[str, str]], bool]) -> None:
        with open(self.metrics_file_path, newline="") as file:
            rows = [row for row in csv.DictReader(file) if keep(row)]
        with (
            atomic_path(self.metrics_file_path) as path,
            path.open("w", newline="") as file,
        ):
            writer = csv.DictWriter(file, fieldnames=fieldnames)
            writer.writeheader()
            writer.writerows(rows)


class CurveFile(CSVLogger):
    """`<save_dir>/<version>/metrics.csv`; the values are written to the last digit."""

    @property
    @rank_zero_experiment
    def experiment(self) -> _Writer:
        if self._experiment is None:
            self._experiment = _Writer(self.log_dir)
        return self._experiment  # type: ignore[return-value]

    def begin(self, step: int, validation: bool) -> None:
        """Drop what this run will write again: a killed one wrote beyond its last checkpoint.

        Args:
            step: rows from this one on are dropped (counted from 0, one per update).
            validation: whether the validation after update `step` is yet to be made.
        """
        writer = self.experiment
        path = Path(writer.metrics_file_path)
        if not step or not path.is_file():
            path.unlink(missing_ok=True)
            return

        def keep(row: dict[str, str]) -> bool:
            number = int(row["step"])
            again = validation and number == step - 1 and _is_validation(row)
            return number < step and not again

        with path.open(newline="") as file:
            writer.metrics_keys = list(next(csv.reader(file)))
        writer.rewrite(writer.metrics_keys, keep)


def _is_validation(row: dict[str, str]) -> bool:
    return any(value for name, value in row.items() if name.startswith("val/"))


logger = logging.getLogger(__name__)
NO_SERVER = ("offline", "dryrun", "disabled")  # values of WANDB_MODE
PATIENCE_S = 5.0  # for the server's first word
BEGIN_S = 20.0  # for the begin of a run there, for which W&B itself waits a minute and a half


class Board(WandbLogger):
    """A WandbLogger that goes on offline where its server cannot be reached, and says so briefly.

    Args:
        offline: whether it begins so.
        values: of WandbLogger.
    """

    def __init__(self, *, offline: bool, **values: Any) -> None:
        # Lightning would say `offline` through the environment, which W&B has read by then.
        super().__init__(**(values | ({"mode": "offline"} if offline else {})))
        self._wandb_init.pop("anonymous", None)  # W&B warns of it
        self._asks_server = not offline and os.environ.get("WANDB_MODE") not in NO_SERVER

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        import wandb  # half a second, which runs without it need not pay

        if self._experiment is None and self._asks_server:
            self._asks_server = False
            if reason := unreachable(wandb.setup().settings.base_url):
                self._go_offline(reason)
            else:
                return self._begin()
        return self._run()

    def _run(self) -> Any:
        """The run, which is begun by the first call."""
        import wandb

        begins, offline = self._experiment is None, self._wandb_init.get("mode") == "offline"
        if begins:  # its warnings are shown all the same
            said = {"silent": True} if offline else {"quiet": True, "init_timeout": BEGIN_S}
            self._wandb_init.setdefault("settings", wandb.Settings(**said))
        run = WandbLogger.experiment.fget(self)  # type: ignore[attr-defined]
        if begins and offline:
            place = run.settings.sync_dir
            logger.info("W&B: offline, in %s (`wandb sync %s` uploads it)", place, place)
        return run

    def _begin(self) -> Any:
        import wandb

        try:
            return self._run()
        except wandb.errors.AuthenticationError as error:
            raise UserError(
                f"W&B refuses this login ({_first_line(error)}): `wandb login --relogin`, or "
                "WANDB_MODE=offline."
            ) from error
        except wandb.errors.CommError as error:
            self._go_offline(_first_line(error))
            return self._run()

    def _go_offline(self, reason: str) -> None:
        self._wandb_init["mode"] = "offline"
        self._wandb_init.pop("settings", None)
        rank_zero_warn(f"W&B cannot be reached ({reason}): this run is logged offline.")


def wandb_logger(
    save_dir: str | Path, project: str = "w2l", name: str | None = None, offline: bool | None = None
) -> WandbLogger:
    """A WandbLogger; `offline=None` decides by WANDB_MODE, or by whether somebody is logged in.

    Raises:
        UserError: it is to be online, and nobody is logged in.
    """
    import wandb

    mode = os.environ.get("WANDB_MODE")
    says = mode in {"offline", "dryrun"} or (mode is None and is_offline())
    offline_now = says if offline is None else offline
    if not offline_now and mode not in NO_SERVER and not wandb.login(prompt=False, verify=False):
        if offline is False or mode is not None:
            asked = "logger.wandb.offline=false" if mode is None else f"WANDB_MODE={mode}"
            raise UserError(
                f"{asked} needs a login: `wandb login`, or WANDB_API_KEY=…; without it the run is "
                "logged offline."
            )
        offline_now = True
    return Board(offline=offline_now, project=project, name=name, save_dir=str(save_dir))


def unreachable(address: str) -> str | None:
    """Why no server answers there; None where one does, whatever it says.

    Proxies of the environment are used.
    """
    try:
        urllib.request.urlopen(address, timeout=PATIENCE_S).close()
    except urllib.error.HTTPError:
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return None if isinstance(reason, ssl.SSLError) else f"{address}: {reason}"
    return None


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


def tensorboard_logger(save_dir: str | Path) -> TensorBoardLogger:
    """A TensorBoardLogger that writes to `<save_dir>/tensorboard`.

    Raises:
        UserError: tensorboard is not installed.
    """
    try:
        return TensorBoardLogger(str(save_dir), name=None, version="tensorboard")
    except ModuleNotFoundError as error:
        raise UserError("logger=tensorboard needs `pip install tensorboard`.") from error
