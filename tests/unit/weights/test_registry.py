"""The shipped registry, and where downloads are kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.weights.server import fetch
from w2l.errors import UserError
from w2l.weights import cache_folder, catalog, registry


def test_registry_is_complete_and_well_formed() -> None:
    files = registry()
    assert {
        *("syncnet_v2", "s3fd", "sfd_face", "wav2lip", "wav2lip_gan", "wav2lip_sd_gan"),
        *("lipsync_expert", "visual_quality_disc", "gfpgan", "codeformer", "realesrgan_x2"),
        *("realesrgan_x4", "parsing_bisenet", "fid_inception", "alexnet", "fan_2d4"),
    } <= set(files)
    for name, entry in files.items():
        assert entry.name == name
        assert entry.sha256 is None or re.fullmatch("[0-9a-f]{64}", entry.sha256)
        assert (entry.sha256 is None) == (entry.evidence == "unknown")
        assert entry.evidence in {"agree", "one source", "unknown"}
        assert entry.size is None or entry.size > 1e6
        assert entry.urls or entry.page
        assert all(re.match(r"https?://[\w.]+/\S+$", url) for url in entry.urls)
        assert len(set(entry.urls)) == len(entry.urls)
        assert entry.licence
        assert entry.note
    assert len({entry.file_name for entry in files.values()}) == len(files)
    # Where an author's file name carries the first digits of the hash, they agree.
    named = {
        e: m[1] for e in files.values() if (m := re.search(r"-([0-9a-f]{8,10})\.", e.file_name))
    }
    assert len(named) == 4
    assert all(entry.sha256.startswith(digits) for entry, digits in named.items())


def test_registry_names_licences_and_first_addresses() -> None:
    files = registry()
    assert files["syncnet_v2"].size == 54573114
    assert files["syncnet_v2"].urls[0].startswith("https://www.robots.ox.ac.uk/")
    assert files["s3fd"].file_name == "s3fd-619a316812.pth"
    assert files["s3fd"].sha256 != files["sfd_face"].sha256
    assert "no commercial use" in files["wav2lip_gan"].licence
    assert "no commercial use" in files["codeformer"].licence
    assert files["visual_quality_disc"].evidence == "one source"


def test_unknown_name_lists_the_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"wav2lip_gna.*did you mean wav2lip_gan.*syncnet_v2"):
        fetch("wav2lip_gna", tmp_path)


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("W2L_WEIGHTS_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "w2l" / "weights"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "w2l" / "weights"
    monkeypatch.setenv("W2L_WEIGHTS_DIR", "~/mine")
    assert cache_folder() == tmp_path / "mine"


def test_shipped_list_is_found_beside_the_package() -> None:
    assert catalog.REGISTRY_FILE.is_file()
