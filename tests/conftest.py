"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of outputs of the published code (see tests/golden/README.md)."""
    return ROOT / "tests" / "golden"


@pytest.fixture(scope="session")
def shared_media() -> Path:
    """Real talking clips, which are not part of the project; skips where they are absent."""
    media = ROOT.parent / "shared" / "media"
    if not media.is_dir():
        pytest.skip("the real talking clips (../shared/media) are not part of the project")
    return media
