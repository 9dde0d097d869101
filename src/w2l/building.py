"""Builds the parts of a run that a config names: `_target_`, an address, and typed arguments."""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from w2l.bounds import fits, is_plain, options, shown, wanted
from w2l.errors import UserError, either
from w2l.files import sha256
from w2l.weights import locate

Arguments = tuple[tuple[str, Any], ...]
_PACKAGED = Path(__file__).resolve().parent / "configs"
_CHECKOUT = Path(__file__).resolve().parents[2] / "configs"
CONFIG_DIR = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT
UNSET = "???"  # of an argument that has no default
NETWORK = "network"  # the choice that takes any file, by its argument `path`: GROUP=FILE is short


@dataclass(frozen=True)
class Component:
    """The address of a class, and what it is built with.

    Parameters that are annotated with `Path` are files: `~` is the home folder, and the name of
    published weights stands for their file, which is fetched.

    Attributes:
        target: dotted path of a class or function, such as "w2l.faces.CenterFace".
        arguments: by name, sorted.

    Example:
        >>> box = Component.of({"_target_": "w2l.faces.FixedBox", "box": [0, 9, 0, 9]})
        >>> box.build().detect([])
        []
    """

    target: str
    arguments: Arguments = ()

    @classmethod
    def of(cls, group: Mapping[str, Any]) -> Component:
        """From a config's group of keys."""
        values = {key: value for key, value in group.items() if key != "_target_"}
        return cls(str(group["_target_"]), _arguments(values))

    def about(self) -> str:
        """Its class with the signature, and what the docstring says: its help."""
        target = _located(self.target)
        return f"{self.target}{inspect.signature(target)}\n\n{inspect.getdoc(target) or ''}"

    def group(self) -> dict[str, Any]:
        """The keys of a config that say the same."""
        return {"_target_": self.target, **dict(self.arguments)}

    @property
    def name(self) -> str:
        """What it is called in records: "centerface"."""
        return self.target.rpartition(".")[2].lower()

    def with_arguments(self, **values: Any) -> Component:
        """The same with other values of some arguments."""
        return Component(self.target, _arguments({**dict(self.arguments), **values}))

    def check(self, *given: str) -> Component:
        """Refuse an address that leads nowhere and arguments that do not fit.

        Nothing is read but the code.

        Args:
            given: names of what the run gives beside the arguments, as `device`.

        Raises:
            UserError: with the signature and the whole reason.
        """
        self.check_values()
        if missing := self.required() - {"device", *given}:
            raise self._refused(f"missing a required argument: '{min(missing)}'")
        return self

    def check_values(self, key: str = "") -> None:
        """Refuse arguments that it does not take, and values that do not fit.

        Args:
            key: the name of its group of keys, for the sentence.

        Raises:
            UserError: naming it.
        """
        signature, hints = self._signature()
        parameters = signature.parameters
        try:
            signature.bind_partial(**dict(self.arguments))
        except TypeError as error:
            raise self._refused(str(error), key) from error
        for name, value in self.arguments:
            hint = hints.get(name, Any)
            is_default = name in parameters and value is parameters[name].default
            if not is_default and not _fits(value, hint):
                raise self._refused(f"{name}={shown(value)} must be {wanted(hint)}", key)

    def takes(self) -> set[str]:
        """Names of the arguments that it may be given beside its own."""
        return set(self._signature()[0].parameters) - set(dict(self.arguments))

    def required(self) -> set[str]:
        """Those of them that it cannot do without."""
        parameters = self._signature()[0].parameters
        return {
            name
            for name in self.takes()
            if parameters[name].default is inspect.Parameter.empty
            and parameters[name].kind
            not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        }

    def says(self, name: str, default: Any) -> Any:
        """An attribute of the class, which is known before anything is built."""
        return getattr(_located(self.target), name, default)

    def build(self, **given: Any) -> Any:
        """The object.

        Args:
            given: what the run knows, such as the device; passed where it is taken and not among
                the arguments.

        Raises:
            UserError: see `check`; or what the constructor says against the values.
        """
        self.check(*given)
        values = {**dict(self.arguments), **dict(self._files())}
        taken = {k: v for k, v in given.items() if k in self.takes() and k not in values}
        try:
            return _located(self.target)(**values, **taken)
        except (TypeError, ValueError) as error:
            raise self._refused(str(error)) from error

    def files(self) -> list[Path]:
        """The files that it reads, weights above all."""
        return [path for _, path in self._files() if path.is_file()]

    def fetched(self) -> Component:
        """The same with its files named by their paths, published weights fetched.

        Raises:
            UserError: one that is named is not there.
        """
        signature, _ = self._signature()
        given, files = dict(self.arguments), dict[str, str]()
        for name, path in self._files():
            if not path.is_file():
                raise UserError(f"{name}={path} of {self.name} is not a file: check the path.")
            if name in given or path != signature.parameters[name].default:
                files[name] = str(path.absolute())
        return self.with_arguments(**files)

    def given_files(self) -> list[Path]:
        """The files among its arguments."""
        given = dict(self.arguments)
        return [locate(value) for name, value in self._file_values() if name in given]

    def is_a(self, contract: type) -> bool:
        """Whether what is built keeps a contract, by its methods."""
        target = _located(self.target)
        return inspect.isclass(target) and issubclass(target, contract)

    def facts(self) -> dict[str, Any]:
        """Everything that decides what it gives; files by their SHA-256, other code by its own."""
        files = dict(self._files())
        arguments = {key: value for key, value in self.arguments if key not in files}
        hashes = {key: sha256(path) for key, path in files.items() if path.is_file()}
        facts = {"target": self.target, "arguments": arguments, "files": hashes}
        code = inspect.getsourcefile(inspect.unwrap(_located(self.target)))
        if not self.target.startswith("w2l.") and code is not None:
            facts["code"] = sha256(Path(code))
        return facts

    def changed(self) -> dict[str, Any]:
        """The arguments that are neither files nor what the constructor takes by default."""
        signature, _ = self._signature()
        files = dict(self._file_values())
        defaults = {name: each.default for name, each in signature.parameters.items()}
        return {
            key: value
            for key, value in self.arguments
            if key not in files and value != _frozen(defaults.get(key, inspect.Parameter.empty))
        }

    def _files(self) -> Iterator[tuple[str, Path]]:
        """Each argument, given or by default, that is a file; published weights are fetched."""
        for name, value in self._file_values():
            yield name, locate(value)

    def _file_values(self) -> Iterator[tuple[str, str | Path]]:
        """The same as they are written."""
        signature, hints = self._signature()
        given = dict(self.arguments)
        for name, parameter in signature.parameters.items():
            value = given.get(name, parameter.default)
            if _takes_path(hints.get(name)) and isinstance(value, str | Path):
                yield name, value

    def _signature(self) -> tuple[inspect.Signature, dict[str, Any]]:
        target = _located(self.target)
        made = target.__init__ if inspect.isclass(target) else target
        try:
            hints = typing.get_type_hints(made, include_extras=True)
        except (NameError, TypeError):  # annotations that only a type checker can read
            hints = {}
        return inspect.signature(target), hints

    def _refused(self, reason: str, key: str = "") -> UserError:
        signature = self.about().partition("\n")[0]
        return UserError(
            f"{key or self.target}: {reason.rstrip('.')}; its signature is {signature}."
        )


def check_parts(node: Any, key: str) -> None:
    """Refuse what does not fit in a tree of groups of keys, some of them components.

    Args:
        node: as YAML holds it.
        key: its name, with dots between.

    Raises:
        UserError: naming the key, or the component with its signature.
    """
    if isinstance(node, list):
        for number, each in enumerate(node):
            check_parts(each, f"{key}.{number}")
    if not isinstance(node, Mapping):
        return
    if "_target_" in node:
        own = {name: value for name, value in node.items() if name[0] != "_"}
        component = Component(str(node["_target_"]), tuple(own.items()))
        component.check_values(key)
    for name, each in node.items():
        check_parts(each, f"{key}.{name}")


def choices(group: str, folders: Sequence[Path] = ()) -> dict[str, Path]:
    """The choices of a config group by name, each with its file; one's own come first."""
    return {
        file.stem: file
        for folder in (CONFIG_DIR, *reversed(folders))
        for file in (folder / group).glob("*.yaml")
    }


def named_group(group: str, name: str, folders: Sequence[Path] = ()) -> dict[str, Any]:
    """The keys of one choice of a config group, those without a default left out.

    Args:
        group: its folder, such as "detector".
        name: the choice; of a group with the choice `network` also a file, or the name of weights.
        folders: of one's own configs, which are looked through first.

    Raises:
        UserError: no such choice; the sentence lists them.
    """
    known = choices(group, folders)
    own = {} if name in known or NETWORK not in known else {"path": name}
    if own:
        name = NETWORK
    if name not in known:
        raise UserError(f"{group}={name} is not known: choose {either(sorted(known))}.")
    values: dict[str, Any] = yaml.safe_load(known[name].read_text("utf-8"))
    return {key: value for key, value in values.items() if value != UNSET} | own


def _located(target: str) -> Callable[..., Any]:
    """What stands at an address.

    Raises:
        UserError: nothing that can be called, with the reason.
    """
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(
            f"_target_={target} cannot be found ({error}): name a class as package.module.Class, "
            "whose file lies in the present folder, in that of --config-dir or in PYTHONPATH."
        ) from error
    if not callable(found):
        raise UserError(f"_target_={target} is nothing that can be built: name a class.")
    return typing.cast(Callable[..., Any], found)


def _arguments(values: Mapping[str, Any]) -> Arguments:
    return tuple(sorted((str(key), _frozen(value)) for key, value in values.items()))


def _frozen(value: Any) -> Any:
    """A value that can be hashed."""
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _takes_path(hint: Any) -> bool:
    return Path in options(hint)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a plain value may be of a type; True of types that are not looked into."""
    if isinstance(value, list | tuple | Mapping):  # of which others are built
        return True
    return any(_may_be(value, option) for option in options(hint))


def _may_be(value: Any, option: Any) -> bool:
    if is_plain(option):
        return fits(option, value) or (option is Path and isinstance(value, str))
    if option in (Any, object):
        return True
    if value is None:
        return False
    is_class = inspect.isclass(option) and not getattr(option, "_is_protocol", False)
    return not is_class or isinstance(value, option)
