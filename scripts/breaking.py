"""Find a place by its symbol, a piece of code by its syntax tree, and write another in its stead.

A pattern is Python in which `$name` stands for any expression, name or attribute, and `$rest`, in a
list of arguments, elements or statements, for any number of them. So renamed variables and other
line breaks change nothing. What it finds must be one place; only that place's text is replaced.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

HOLE, REST = "HOLE_", "HOLE_rest"
PACKAGES = {"w2l": "src", "preprocess": ".", "evaluation": ".", "benchmarks": "."}
Scope = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class DoesNotApplyError(Exception):
    """There is no such place, or more than one."""


@dataclass(frozen=True)
class Change:
    """Code like `pattern` becomes `replacement`, which may use what the pattern's holes hold."""

    pattern: str
    replacement: str


@dataclass(frozen=True)
class Value:
    """What a constant, field, default, entry of a dict or key of a config becomes."""

    text: str


@dataclass(frozen=True)
class Broken:
    """A file and what it holds once broken."""

    path: Path
    content: str


class Tree:
    """The sources below a folder, each parsed once.

    Args:
        root: of the checkout.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._parsed: dict[Path, ast.Module] = {}

    @cached_property
    def modules(self) -> dict[str, Path]:
        """File of each module."""
        found = {}
        for package, base in PACKAGES.items():
            for path in sorted((self.root / base / package).rglob("*.py")):
                parts = path.relative_to(self.root / base).with_suffix("").parts
                found[".".join(parts).removesuffix(".__init__")] = path
        return found

    def parsed(self, path: Path) -> ast.Module:
        """Its syntax tree."""
        if path not in self._parsed:
            self._parsed[path] = ast.parse(path.read_text(encoding="utf-8"))
        return self._parsed[path]

    def find(self, place: str) -> tuple[Path, ast.AST]:
        """The file and node of `package.module:Class.method`, also where it has moved.

        Raises:
            DoesNotApplyError: it is nowhere, or in several files.
        """
        module, _, name = place.partition(":")
        names = name.split(".")
        if module in self.modules:
            path = self.modules[module]
            if (node := _inside(self.parsed(path), names)) is not None:
                return path, node
        moved = [
            (path, node)
            for path in self.modules.values()
            if (node := _inside(self.parsed(path), names)) is not None
        ]
        if len(moved) != 1:
            raise DoesNotApplyError(f"{place} is gone, and {len(moved)} others are called {name}")
        return moved[0]

    def broken(self, place: str, edit: Change | Value) -> Broken:
        """What the place's file holds after the edit.

        Args:
            place: as for `find`, or `configs/….yaml:key.of.it`.
            edit: what to do there.

        Raises:
            DoesNotApplyError: it cannot be done, or changes nothing.
        """
        file, _, name = place.partition(":")
        if file.endswith(".yaml"):
            return self._broken_config(self.root / file, name, edit)
        path, node, new = self._edited(place, edit)
        text = path.read_text(encoding="utf-8")
        content = _spliced(text, node, new)
        try:
            same = ast.dump(ast.parse(content)) == ast.dump(self.parsed(path))
        except SyntaxError as error:
            raise DoesNotApplyError(f"{place} would be no Python: {error}") from error
        if same:
            raise DoesNotApplyError(f"{place} is so already")
        return Broken(path, content)

    def _edited(self, place: str, edit: Change | Value) -> tuple[Path, ast.AST, str]:
        """The file, the node to replace in it, and by what."""
        if isinstance(edit, Value):
            path, node = self.find(place)
            if not isinstance(node, ast.expr):
                raise DoesNotApplyError(f"{place} has no value")
            return path, node, edit.text
        found: list[tuple[Path, ast.AST, str]] = []
        for scopes in self._scopes(place):
            found = [(path, *change) for path, scope in scopes for change in _changes(scope, edit)]
            if found:
                break
        if len(found) != 1:
            raise DoesNotApplyError(f"{place}: {len(found)} pieces are like `{edit.pattern}`")
        return found[0]

    def _scopes(self, place: str) -> Iterator[list[tuple[Path, ast.AST]]]:
        """Where to look in turn: at the place, in its file; for one that is gone, everywhere."""
        try:
            path, scope = self.find(place)
            yield [(path, scope)]
            yield [(path, self.parsed(path))]
        except DoesNotApplyError:
            if (here := self.modules.get(place.partition(":")[0])) is not None:
                yield [(here, self.parsed(here))]
            yield [(path, self.parsed(path)) for path in self.modules.values()]

    def _broken_config(self, path: Path, key: str, edit: Change | Value) -> Broken:
        if not path.is_file() or not isinstance(edit, Value):
            raise DoesNotApplyError(f"{path} is gone, or no value is given for {key}")
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text)
        for part in key.split("."):
            entries = node.value if isinstance(node, yaml.MappingNode) else []
            node = next((value for name, value in entries if name.value == part), None)
            if node is None:
                raise DoesNotApplyError(f"{path.name} has no key {key}")
        content = text[: node.start_mark.index] + edit.text + text[node.end_mark.index :]
        if yaml.safe_load(content) == yaml.safe_load(text):
            raise DoesNotApplyError(f"{path.name}: {key} is so already")
        return Broken(path, content)


def _inside(scope: ast.AST, names: list[str]) -> ast.AST | None:
    """The node that `names` lead to, one inside the other: what is defined there, or its value."""
    if not names:
        return scope
    for name, node in _definitions(scope):
        if name == names[0] and (found := _inside(node, names[1:])) is not None:
            return found
    return None


def _definitions(scope: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Definitions right inside: functions, classes, values of names, defaults, entries of dicts."""
    if isinstance(scope, ast.Dict):
        for key, value in zip(scope.keys, scope.values, strict=True):
            if isinstance(key, ast.Constant):
                yield str(key.value), value
    if not isinstance(scope, Scope):
        return
    if not isinstance(scope, ast.Module | ast.ClassDef):
        arguments = scope.args
        placed = [*arguments.posonlyargs, *arguments.args]
        n = len(arguments.defaults)
        yield from zip((a.arg for a in placed[len(placed) - n :]), arguments.defaults, strict=True)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            if default is not None:
                yield argument.arg, default
    left: list[ast.AST] = list(scope.body)
    while left:
        node = left.pop(0)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Name) and (value := getattr(node, "value", None)) is not None:
                yield target.id, value
        left += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]


def _changes(scope: ast.AST, edit: Change) -> Iterator[tuple[ast.AST, str]]:
    """Each node that the pattern describes, and the code to write there."""
    pattern, replacement = _template(edit.pattern), _template(edit.replacement)
    for node in _pieces(scope):
        holes: dict[str, Any] = {}
        if _matches(pattern, node, holes):
            text = ast.unparse(_filled(replacement, holes))
            yield node, f"({text})" if isinstance(node, ast.expr) else text


def _pieces(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all inside it; not inside an f-string, where nothing has a place of its own."""
    yield node
    if not isinstance(node, ast.JoinedStr):
        for child in ast.iter_child_nodes(node):
            yield from _pieces(child)


def _template(code: str) -> ast.AST:
    """Of a pattern: its expression, else its only statement."""
    (statement,) = ast.parse(re.sub(r"\$(\w+)", rf"{HOLE}\1", code)).body
    return statement.value if isinstance(statement, ast.Expr) else statement


def _is_rest(node: object) -> bool:
    """Whether it is `$rest`, as an expression or a statement."""
    node = node.value if isinstance(node, ast.Expr) else node
    return isinstance(node, ast.Name) and node.id == REST


def _matches(pattern: object, node: object, holes: dict[str, Any]) -> bool:
    """Whether the node is like the pattern; `holes` get what they stand for."""
    if isinstance(pattern, ast.Name) and pattern.id.startswith(HOLE):
        return isinstance(node, ast.expr) and _put(holes, pattern.id, node)
    if isinstance(pattern, str) and pattern.startswith(HOLE):
        return isinstance(node, str) and _put(holes, pattern, node)
    if isinstance(pattern, list):
        return isinstance(node, list) and _matches_list(pattern, node, holes)
    if not isinstance(pattern, ast.AST):
        return type(pattern) is type(node) and pattern == node
    if type(pattern) is not type(node):
        return False
    if isinstance(pattern, ast.Call) and isinstance(node, ast.Call):
        return _matches_call(pattern, node, holes)
    fields = [field for field in pattern._fields if field not in {"ctx", "kind", "type_comment"}]
    return all(_matches(getattr(pattern, f, None), getattr(node, f, None), holes) for f in fields)


def _matches_list(pattern: list[Any], nodes: list[Any], holes: dict[str, Any]) -> bool:
    rests = [i for i, each in enumerate(pattern) if _is_rest(each)]
    if not rests:
        pairs = zip(pattern, nodes, strict=False)
        return len(pattern) == len(nodes) and all(_matches(a, b, holes) for a, b in pairs)
    before, after = pattern[: rests[0]], pattern[rests[0] + 1 :]
    n = len(nodes) - len(before) - len(after)
    if n < 0 or len(rests) > 1:
        return False
    end = len(before) + n
    holes[REST] = nodes[len(before) : end]
    return _matches_list(before, nodes[: len(before)], holes) and _matches_list(
        after, nodes[end:], holes
    )


def _matches_call(pattern: ast.Call, node: ast.Call, holes: dict[str, Any]) -> bool:
    """Keywords come in any order, and beside `$rest` there may be others than those named."""
    given = {keyword.arg: keyword for keyword in node.keywords}
    named = {keyword.arg: keyword for keyword in pattern.keywords}
    is_open = any(_is_rest(argument) for argument in pattern.args)
    if not named.keys() <= given.keys() or not (is_open or len(named) == len(given)):
        return False
    if is_open:
        holes["keywords"] = [keyword for name, keyword in given.items() if name not in named]
    return (
        _matches(pattern.func, node.func, holes)
        and _matches_list(pattern.args, node.args, holes)
        and all(_matches(named[name].value, given[name].value, holes) for name in named)
    )


def _put(holes: dict[str, Any], name: str, found: Any) -> bool:
    """Fill a hole; one that is there already must hold the same."""
    if name in holes:
        return _code(holes[name]) == _code(found)
    holes[name] = found
    return True


def _code(node: Any) -> str:
    return ast.unparse(node) if isinstance(node, ast.AST) else str(node)


def _filled(template: Any, holes: dict[str, Any]) -> Any:
    """A copy of the template with what its holes stand for."""
    if isinstance(template, ast.Name) and template.id.startswith(HOLE):
        return copy.deepcopy(holes[template.id])
    if isinstance(template, str) and template.startswith(HOLE):
        return holes[template]
    if isinstance(template, list):
        parts: list[Any] = []
        for each in template:
            parts += holes[REST] if _is_rest(each) else [_filled(each, holes)]
        return parts
    if not isinstance(template, ast.AST):
        return template
    new = type(template)(**{name: _filled(each, holes) for name, each in ast.iter_fields(template)})
    if isinstance(template, ast.Call) and any(_is_rest(each) for each in template.args):
        new.keywords += [k for k in holes["keywords"] if k.arg not in {n.arg for n in new.keywords}]
    return ast.fix_missing_locations(ast.copy_location(new, template))


def _spliced(text: str, node: ast.AST, new: str) -> str:
    """The text with `new` where the node was; positions in it count bytes of UTF-8."""
    lines = text.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    begin = starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
    end = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
    indented = new.replace("\n", "\n" + " " * node.col_offset)  # type: ignore[attr-defined]
    whole = text.encode()
    return (whole[:begin] + indented.encode() + whole[end:]).decode()
