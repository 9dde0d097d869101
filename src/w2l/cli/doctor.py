"""What is here, what is missing, and how to get it; loads neither torch nor Lightning."""

from __future__ import annotations

import csv
import importlib.util
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

from w2l import __version__
from w2l.errors import UserError
from w2l.offline import is_offline
from w2l.weights import cache_folder, registry
from w2l.weights.catalog import megabytes

PACKAGE = "w2l"
DETECTOR = Path(__file__).resolve().parents[1] / "faces" / "centerface.safetensors"
EXTRA_OF = {  # what an extra is for
    "app": "the page in the browser",
    "cluster": "Slurm and parallel launchers, sweeps with Optuna",
    "download": "videos by their address",
    "lips": "evaluate's lips=true, landmarks=dlib",
    "live": "an avatar that talks now, in the browser",
    "onnx": "ONNX export, runtime=onnx",
    "openvino": "runtime=openvino",
    "photo": "person=photo:FILE",
    "ray": "engine=ray",
    "restore": "face restorers in .pth files",
    "vad": "speech by Silero in place of loudness",
}
SMI = (
    "nvidia-smi",
    "--query-gpu=name,memory.total,driver_version",
    "--format=csv,noheader,nounits",
)
SMI_S = 1.5  # seconds that it may take
DECODED = ("h264", "hevc", "av1", "vp9", "mpeg4", "prores", "aac", "mp3", "opus", "flac")


class Line(NamedTuple):
    """One finding.

    Attributes:
        what: it is about.
        found: what there is; None: it is missing.
        remedy: how to get what is missing, or what to know of it.
        needed: nothing works without it.
    """

    what: str
    found: str | None
    remedy: str = ""
    needed: bool = False


def doctor() -> int:
    """Print what there is; exit code 1 where something is missing that everything needs."""
    ill = False
    for title, lines in (
        ("This machine", machine()),
        ("Packages", packages()),
        ("Extras", extras()),
        ("Video and sound", codecs()),
        (f"Weights in {cache_folder()}", weights()),
    ):
        print(f"\n{title}")
        for line in lines:
            mark = "ok" if line.found is not None else "MISSING" if line.needed else "-"
            parts = (line.what, line.found or ("" if mark == "MISSING" else "not here"))
            told = ": ".join(part for part in parts if part)
            print(f"  {mark:7} {told}{f'; {line.remedy}' if line.remedy else ''}")
            ill = ill or (line.needed and line.found is None)
    print("\nSomething that w2l needs is missing." if ill else "\nAll that w2l needs is here.")
    return int(ill)


def machine() -> Iterator[Line]:
    """The system, its devices, and room."""
    yield Line("system", f"{platform.platform()}, Python {platform.python_version()}")
    yield Line("w2l", f"{__version__}, in {Path(__file__).resolve().parents[1]}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Line("cores", f"{cores}{_memory()}")
    build = cuda_of_torch()
    gpus = list(nvidia_gpus())
    yield from (Line("GPU", gpu) for gpu in gpus)
    if gpus and build is None:
        yield Line(
            "CUDA", None, "this torch is a CPU build and uses no GPU: install one for CUDA, as "
            "pytorch.org says",
        )  # fmt: skip
    elif platform.system() == "Darwin" and platform.machine() == "arm64":
        yield Line("GPU", "Apple's, which is not used: the CPU is")
    elif not gpus:
        yield Line("GPU", None, "the CPU does all: fine for dubbing and scoring, slow for training")
    if build is not None:
        yield Line("CUDA", f"torch is built for {build}")
    free = shutil.disk_usage(".").free
    yield Line("free disk space here", megabytes(free) if free < 1e9 else f"{free / 1e9:.0f} GB")
    if is_offline():
        yield Line("network", "not used, as W2L_OFFLINE=1 says")


def _memory() -> str:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return ""
    size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f", {size / 2**30:.0f} GiB of memory"


def nvidia_gpus() -> Iterator[str]:
    """Name, memory and driver of each, from NVIDIA's own tool: asking torch takes seconds."""
    tool = shutil.which(SMI[0])
    if tool is None:
        return
    try:
        run = subprocess.run([tool, *SMI[1:]], capture_output=True, text=True, timeout=SMI_S)
    except (OSError, subprocess.TimeoutExpired):
        yield f"{tool} does not answer"
        return
    for row in csv.reader(run.stdout.splitlines(), skipinitialspace=True):
        if len(row) == 3:
            name, memory, driver = row
            yield f"{name}, {memory} MiB, driver {driver}"


def cuda_of_torch() -> str | None:
    """What torch was built for, read from its files; None: the CPU alone, or there is no torch."""
    found = importlib.util.find_spec("torch")
    if found is None or not found.submodule_search_locations:
        return None
    text = (Path(found.submodule_search_locations[0]) / "version.py").read_text(encoding="utf-8")
    for name, label in (("cuda", "CUDA"), ("hip", "ROCm")):
        if match := re.search(rf"^{name}\b[^=]*=\s*['\"]([^'\"]+)", text, re.MULTILINE):
            return f"{label} {match[1]}"
    return None


def packages() -> Iterator[Line]:
    """Each package that is always needed, with its version."""
    for requirement in _requirements():
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _package(requirement)


def _package(requirement: Requirement) -> Line:
    remedy = f'pip install "{requirement}"'
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return Line(requirement.name, None, remedy, needed=True)
    if not requirement.specifier.contains(found, prereleases=True):
        wanted = f"{found} is here, {requirement.specifier} is wanted: {remedy}"
        return Line(requirement.name, None, wanted, needed=True)
    return Line(requirement.name, found)


def extras() -> Iterator[Line]:
    """Each extra: whether all of it is installed."""
    for extra, purpose in EXTRA_OF.items():
        lines = [
            _package(requirement)
            for requirement in _requirements()
            if requirement.marker is not None
            and requirement.marker.evaluate({"extra": extra})
            and not requirement.marker.evaluate({"extra": ""})
        ]
        missing = [line.what for line in lines if line.found is None]
        have = ", ".join(f"{line.what} {line.found}" for line in lines)
        remedy = f'pip install "{PACKAGE}[{extra}]" ({", ".join(missing)})' if missing else ""
        yield Line(f"{extra} ({purpose})", None if missing or not lines else have, remedy)


def _requirements() -> list[Requirement]:
    try:
        return [Requirement(text) for text in requires(PACKAGE) or ()]
    except PackageNotFoundError:  # a checkout that was never installed
        return []


def codecs() -> Iterator[Line]:
    """What can be written and read, by the FFmpeg that comes with PyAV."""
    try:
        from w2l.video.codecs import CODECS, can_decode, find_encoder
    except ImportError as error:
        yield Line("PyAV or OpenCV", None, f"{error}: install w2l again", needed=True)
        return
    for name, codec in CODECS.items():
        try:
            yield Line(f"codec={name}", f"{codec.label}, by {find_encoder(name)}")
        except UserError as error:
            yield Line(f"codec={name}", None, str(error))
    unknown = [name for name in DECODED if not can_decode(name)]
    readable = ", ".join(name for name in DECODED if name not in unknown)
    remedy = f"not {', '.join(unknown)}: another PyAV may" if unknown else ""
    yield Line("reads", readable or None, remedy)


def weights() -> Iterator[Line]:
    """The weights that ship, and which published ones lie in the cache."""
    found = "ships with w2l" if DETECTOR.is_file() else None
    yield Line("face detector CenterFace", found, "" if found else "install w2l again", needed=True)
    folder = cache_folder()
    for name, entry in registry().items():
        path = folder / entry.file_name
        what = f"{name} ({entry.used_for})"
        if not path.is_file():
            how = "fetched when it is named" if entry.urls else f"to be had from {entry.page}"
            yield Line(what, None, f"{how}, or lay it there as {entry.file_name}")
        elif entry.size is not None and path.stat().st_size != entry.size:
            length = f"{path.stat().st_size} bytes in place of {entry.size}: remove it"
            yield Line(what, None, f"{entry.file_name} is damaged, {length}")
        else:
            yield Line(what, megabytes(path.stat().st_size), "its hash is checked at its use")
