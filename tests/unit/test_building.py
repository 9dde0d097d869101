"""Parts of a run are built from an address and arguments, or refused before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from w2l.building import Component, named_group
from w2l.components import FacesByIndex
from w2l.errors import UserError
from w2l.files import sha256


class Eyes:
    """Somebody's own."""

    def __init__(
        self, weights: str | Path, device: str, *, size: int = 3, sides: float = 1
    ) -> None:
        if size > 9:
            raise ValueError("size is over 9")
        self.given = (weights, device, size)


EYES = f"{__name__}.Eyes"


def test_the_run_gives_what_it_knows_where_it_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "w.pth"
    file.write_text("x")
    eyes = Component.of({"_target_": EYES, "weights": str(file), "size": 4})
    assert eyes.build(device="cpu", other=1).given == (file, "cpu", 4)
    assert eyes.facts()["files"] == {"weights": sha256(file)}
    assert eyes.facts()["code"] == sha256(Path(__file__))
    assert (eyes.changed(), eyes.given_files(), eyes.name) == ({"size": 4}, [file], "eyes")
    assert Component.of({"_target_": "w2l.faces.FixedBox", "box": [0, 9, 0, 9]}).build(device="cpu")
    assert Component("w2l.faces.BoxFile").is_a(FacesByIndex)
    assert not Component("w2l.faces.CenterFace").is_a(FacesByIndex)


@pytest.mark.parametrize(
    ("group", "sentence"),
    [
        ({"weights": "w", "colour": 1}, "unexpected keyword argument 'colour'; its signature"),
        ({}, "missing a required argument: 'weights'; its signature is .*Eyes"),
        ({"weights": "w", "size": "big"}, "size=big must be a whole number; its signature"),
        ({"weights": "w", "sides": True}, "sides=true must be a number"),
        ({"_target_": "nobody.Eyes"}, r"nobody.Eyes cannot be found \(No module named 'nobody'\)"),
        ({"_target_": "w2l.faces.Ears"}, "has no attribute 'Ears'"),
        ({"_target_": f"{__name__}.EYES"}, "nothing that can be built"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_whole(group: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Component.of({"_target_": EYES, **group}).check()


def test_the_constructors_reason_is_told() -> None:
    with pytest.raises(UserError, match="size is over 9"):
        Component.of({"_target_": EYES, "weights": "w", "size": 10}).build(device="cpu")


def test_groups_are_found_by_name(tmp_path: Path) -> None:
    assert Component.of(named_group("detector", "centerface")).changed() == {}
    assert Component.of(named_group("detector", "centerface")).target == "w2l.faces.CenterFace"
    with pytest.raises(UserError, match="choose box, centerface, file, retinaface, s3fd or yunet"):
        named_group("detector", "mtcnn")
    (tmp_path / "detector").mkdir()
    (tmp_path / "detector" / "mine.yaml").write_text("_target_: w2l.faces.FixedBox\nbox: ???\n")
    assert named_group("detector", "mine", [tmp_path]) == {"_target_": "w2l.faces.FixedBox"}
