"""Every mistake of scripts/mistakes.py can still be made, and what became of it is told."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.breaking import Change, DoesNotApplyError, Tree, Value
from scripts.mistakes import MISTAKES

ROOT = Path(__file__).resolve().parents[1]


def test_every_mistake_can_be_made_and_has_its_test() -> None:
    tree, wrong = Tree(ROOT), []
    tests: dict[Path, set[str]] = {}
    for mistake in MISTAKES:
        try:
            tree.broken(mistake.place, mistake.edit)
        except DoesNotApplyError as error:
            wrong.append(f"{mistake.name}: {error}")
        file, _, name = mistake.test.partition("::")
        path = ROOT / "tests" / file
        if path not in tests:
            tests[path] = set(_functions(path)) if path.is_file() else set()
        if name.partition("[")[0] not in tests[path]:
            wrong.append(f"{mistake.name}: there is no test {mistake.test}")
    assert wrong == []
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES)


def _functions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            yield node.name


BEFORE = '''
LIMIT = 5  # ← not bytes of ASCII
KEYS = {"infer": {"extend": "loop"}}

class Judge:
    """A judge."""

    weight: float = 0.5

    def score(self, lips, audio, every=2):
        shown = f"{lips + audio}"
        return self.weight * (lips + audio), shown
'''


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    package = tmp_path / "src" / "w2l"
    (package / "old").mkdir(parents=True)
    (package / "old" / "judge.py").write_text(BEFORE, encoding="utf-8")
    (package / "other.py").write_text("def add(a, b):\n    return a - b\n")
    (tmp_path / "configs").mkdir()
    text = "a: 1\nmodel:\n  betas: [0.5, 0.9]  # as published\n  width: 2\n"
    (tmp_path / "configs" / "x.yaml").write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("place", "edit", "before", "after"),
    [
        ("LIMIT", Value("6"), "LIMIT = 5", "LIMIT = 6"),
        ("KEYS.infer.extend", Value('"freeze"'), '"loop"', '"freeze"'),
        ("Judge.weight", Value("0"), "float = 0.5", "float = 0"),
        ("Judge.score.every", Value("3"), "every=2", "every=3"),
        ("Judge.score", Change("$w * ($x + $y)", "$w * ($x - $y)"),
         "self.weight * (lips + audio)", "(self.weight * (lips - audio))"),
        ("Judge", Change("return $x, $y", "return ($y, $x)"),
         "return self.weight * (lips + audio), shown",
         "return (shown, self.weight * (lips + audio))"),
    ],
)  # fmt: skip
def test_only_the_place_is_changed(
    place: str, edit: Change | Value, before: str, after: str, sources: Path
) -> None:
    made = Tree(sources).broken(f"w2l.old.judge:{place}", edit)
    assert made.path == sources / "src" / "w2l" / "old" / "judge.py"
    assert BEFORE.count(before) == 1
    assert made.content == BEFORE.replace(before, after)


def test_a_key_of_a_config(sources: Path) -> None:
    made = Tree(sources).broken("configs/x.yaml:model.betas", Value("[0.9, 0.9]"))
    assert made.content == made.path.read_text().replace("[0.5, 0.9]", "[0.9, 0.9]")
    for key, text in (("model.depth", "1"), ("a.b", "1"), ("a", "1")):
        with pytest.raises(DoesNotApplyError):
            Tree(sources).broken(f"configs/x.yaml:{key}", Value(text))


SUM = Change("$w * ($x + $y)", "$w * ($x - $y)")


def test_neither_names_nor_places_matter(sources: Path) -> None:
    moved = BEFORE.replace("lips", "mouth").replace(
        "self.weight * (", "self.rate * (\n            "
    )
    (sources / "src" / "w2l" / "old" / "judge.py").unlink()
    for name in ("Judge", "Critic"):  # moved, and then renamed too
        (sources / "src" / "w2l" / "new.py").write_text(moved.replace("Judge", name), "utf-8")
        made = Tree(sources).broken("w2l.old.judge:Judge.score", SUM)
        assert made.path.name == "new.py"
        assert "return (self.rate * (mouth - audio)), shown" in made.content
    taken_out = moved.replace("def score", "def _sum") + "\n    def score(self):\n        pass\n"
    (sources / "src" / "w2l" / "new.py").write_text(taken_out, "utf-8")
    assert "mouth - audio" in Tree(sources).broken("w2l.new:Judge.score", SUM).content


def test_what_is_not_one_place_does_not_apply(sources: Path) -> None:
    tree, judge = Tree(sources), "w2l.old.judge:Judge"
    for place, edit in (
        (judge, Change("$x / $y", "$x")),  # nowhere
        (judge, Change("$x", "None")),  # everywhere
        (judge, Change("$x + $y", "$x + $y")),  # no change
        (judge, Value("1")),  # no value
        ("w2l.old.judge:LOST", Value("1")),
        ("w2l.old.judge:Lost", Change("$x / $y", "$x")),
    ):
        with pytest.raises(DoesNotApplyError):
            tree.broken(place, edit)
    (sources / "src" / "w2l" / "old" / "judge.py").unlink()
    for name in "ab":
        (sources / "src" / "w2l" / f"{name}.py").write_text(BEFORE, "utf-8")
    with pytest.raises(DoesNotApplyError, match="2 others"):
        Tree(sources).broken(f"{judge}.weight", Value("1"))


def test_arguments_that_are_not_named_stay(sources: Path) -> None:
    file = sources / "src" / "w2l" / "other.py"
    file.write_text("x = pad(a, (0, 1), how=2, mode='reflect')\n")
    tree = Tree(sources)
    made = tree.broken("w2l.other:x", Change("pad($rest, mode=$m)", "pad($rest, mode=0)"))
    assert made.content == "x = (pad(a, (0, 1), mode=0, how=2))\n"
    made = tree.broken("w2l.other:x", Change("pad($first, $rest)", "pad($first[0, ...], $rest)"))
    assert made.content == "x = (pad(a[0, ...], (0, 1), how=2, mode='reflect'))\n"


SCRIPT = """
from scripts import mutants
from scripts.breaking import Change, Value
from scripts.mistakes import Mistake

floor = Change("math.ceil($x)", "math.floor($x)")
count, test = "w2l.inference.timeline:frame_count", "unit/inference/test_timeline.py::test_"
made = [
    Mistake("noticed", count, floor, f"{test}frames_cover_the_sound_and_no_more"),
    Mistake("missed", count, floor, f"{test}a_longer_video_is_cut"),
    Mistake("gone", count, Change("math.trunc($x)", "$x"), f"{test}a_longer_video_is_cut"),
    Mistake("no test", count, floor, f"{test}of_nothing"),
    Mistake("unknown name", count, Change("math.ceil($x)", "unknown"),
            f"{test}frames_cover_the_sound_and_no_more"),
    Mistake("no import", "w2l.inference.timeline:Extend", Value("nobody"),
            f"{test}a_longer_video_is_cut"),
]
print(sorted((mistake.name, word) for mistake, word, _ in mutants.verdicts(made, 1)))
"""


@pytest.mark.long
def test_a_run_tells_what_became_of_each_mistake() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ast.literal_eval(done.stdout.splitlines()[-1]) == [
        ("gone", "VOID"),
        ("missed", "SURVIVED"),
        ("no import", "VOID"),
        ("no test", "NOT GREEN"),
        ("noticed", "killed"),
        ("unknown name", "VOID"),
    ]
