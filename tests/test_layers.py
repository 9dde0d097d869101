"""Imports point down: reads every import in the tree (docs/design.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = [
    [
        "ahead", "cores", "errors", "files", "lock", "memory", "windows", "media", "html", "paths",
        "audio", "video", "boxes", "weights", "filelists", "download",
        "trust", "trials", "components", "offline", "examples", "progress", "chart", "bounds",
    ],
    ["models", "losses", "metrics", "faces", "building"],
    ["data", "checkpoints", "scoring", "restoration", "schema"],
    ["systems", "callbacks", "inference", "jobs"],
    ["extras"],
    ["cli"],
    ["__main__"],
]  # fmt: skip
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
# The ground of layer 0: any module of it may stand on them, and they on errors and paths.
GROUND = {
    "ahead", "cores", "errors", "files", "lock", "memory", "windows", "media", "html", "paths",
    "offline", "trust", "progress", "bounds",
}  # fmt: skip
BASE = {"errors", "paths"}
APPLICATIONS = ("preprocess", "evaluation", "benchmarks")
# package → prefixes of modules that may import it
CONFINED = {
    "hydra": ("w2l.cli", *APPLICATIONS),
    "omegaconf": ("w2l.cli", *APPLICATIONS),
    "pytorch_lightning": (
        "w2l.systems", "w2l.callbacks", "w2l.cli", "w2l.data.module", *APPLICATIONS,
    ),
    "wandb": ("w2l.callbacks",),
    "pyarrow": ("w2l.data", "w2l.scoring.tables", "preprocess.lists"),
    "fsspec": ("w2l.data",),
    "ray": ("w2l.jobs",),
    "scenedetect": ("w2l.video",),
    "onnx": ("w2l.checkpoints.onnx",),
    "onnxruntime": ("w2l.inference.runtimes", "w2l.models.onnx_graph"),
    "openvino": ("w2l.inference.runtimes",),
    "av": ("w2l.media", "w2l.video", "w2l.audio", "w2l.cli.live_server"),
    "yt_dlp": ("w2l.download",),
    "silero_vad": ("w2l.audio",),
    "gradio": ("w2l.cli.page",),
    "aiortc": ("w2l.cli.live_server",),
    "aiohttp": ("w2l.cli.live_server",),
    "spandrel": ("w2l.restoration",),
    "torchvision": (),
}  # fmt: skip


def modules() -> Iterator[tuple[str, Path]]:
    for base, folder in ((ROOT / "src", "w2l"), *((ROOT, name) for name in APPLICATIONS)):
        for path in sorted((base / folder).rglob("*.py")):
            parts = path.relative_to(base).with_suffix("").parts
            yield ".".join(parts).removesuffix(".__init__"), path


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


MODULES = dict(modules())


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_down(name: str) -> None:
    parts = name.split(".")
    for target in imports(MODULES[name]):
        head, *rest = target.split(".")
        for confined, allowed in CONFINED.items():
            if head == confined:
                assert name.startswith(allowed or ("-",)), f"{name} imports {target}"
        if parts[0] == "w2l":
            assert head not in APPLICATIONS, f"{name} imports {target}"
        elif head in APPLICATIONS:  # benchmarks measure the others
            assert parts[0] in {head, "benchmarks"}, f"{name} imports {target}"
        if head != "w2l" or parts[0] != "w2l" or len(parts) == 1 or not rest:
            continue
        own, other = parts[1], rest[0]
        if own == other or (other in GROUND and own not in GROUND):
            continue
        assert LEVEL[other] < LEVEL[own] or (other in BASE and own in GROUND), (
            f"{name} (layer {LEVEL[own]}) imports {target} (layer {LEVEL[other]})"
        )


def test_every_package_has_a_layer() -> None:
    packages = {name.split(".")[1] for name in MODULES if name.startswith("w2l.")}
    assert packages == set(LEVEL)


def test_files_stay_small() -> None:
    long = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert not {name: n for name, n in long.items() if n > 500}


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_w2l_loads_no_torch() -> None:
    assert not {"torch", "numpy", "cv2"} & loaded_by("import w2l")


def test_running_the_model_loads_no_lightning() -> None:
    loaded = loaded_by("import w2l.inference, w2l.scoring, w2l.checkpoints")
    assert not {"pytorch_lightning", "hydra", "wandb", "torchvision"} & loaded
