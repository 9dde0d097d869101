"""A CSV of curves that goes on where a resumed run goes on."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter
from pytorch_lightning.loggers.logger import rank_zero_experiment

from w2l.files import atomic_path


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
