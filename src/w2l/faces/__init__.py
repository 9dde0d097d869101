"""Face detectors, and tracks of faces through a video.

What a detector takes and gives is in `w2l.components`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from w2l.faces.centerface import CenterFace
    from w2l.faces.fixed import BoxFile, FixedBox
    from w2l.faces.retinaface import RetinaFace
    from w2l.faces.s3fd import S3FD
    from w2l.faces.yunet import YuNet

__all__ = ["S3FD", "BoxFile", "CenterFace", "FixedBox", "RetinaFace", "YuNet"]

_HOMES = {
    "BoxFile": "fixed",
    "CenterFace": "centerface",
    "FixedBox": "fixed",
    "RetinaFace": "retinaface",
    "S3FD": "s3fd",
    "YuNet": "yunet",
}


def __getattr__(name: str) -> Any:
    """A detector, whose libraries are loaded only when it is asked for."""
    if name in _HOMES:
        return getattr(import_module(f"w2l.faces.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'w2l.faces' has no attribute {name!r}")
