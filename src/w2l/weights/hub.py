"""`hf:owner/name[/file][@revision]`: a network from the Hugging Face Hub, in its own cache."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from w2l.errors import UserError, either
from w2l.offline import is_offline, require_network

PREFIX = "hf:"
MODEL = "model.safetensors"  # what `python -m w2l.checkpoints in.ckpt folder/` writes
NETWORKS = (".safetensors", ".pth", ".pt", ".ckpt", ".onnx")
_ADDRESS = re.compile(r"([\w.-]+/[\w.-]+)(?:/([^@]+?))?/?(?:@([^@]+))?")


class Address(NamedTuple):
    """What stands behind `hf:`.

    Attributes:
        repository: `owner/name`.
        file: its path there; None: the network that the repository holds.
        revision: a branch, tag or commit; None: the newest of the main branch.
    """

    repository: str
    file: str | None
    revision: str | None


def is_hub(name: object) -> bool:
    """Whether a name is an address on the Hub."""
    return str(name).startswith(PREFIX)


def parse(name: str) -> Address:
    """Take an address apart.

    >>> parse("hf:jane/lips/old/best.ckpt@v2")
    Address(repository='jane/lips', file='old/best.ckpt', revision='v2')

    Raises:
        UserError: it is none.
    """
    match = _ADDRESS.fullmatch(name.removeprefix(PREFIX))
    if match is None:
        raise UserError(
            f"{name} is no address on the Hub: write hf:owner/name, hf:owner/name/file, and "
            "@revision behind it where it is to stay the same."
        )
    return Address(*match.groups())


@cache
def from_hub(name: str) -> Path:
    """The file of an address, fetched where it is not in the Hub's cache; once in a process.

    Without a file in it: `model.safetensors`, else the only network in the repository. Without a
    revision the commit that was taken is printed on the error stream, to pin it.

    Raises:
        UserError: no such repository, revision or file, several that may be meant, no access, no
            network, or huggingface_hub is not installed.
    """
    address = parse(name)
    try:
        import huggingface_hub as hub
        from huggingface_hub import errors
    except ModuleNotFoundError as error:
        raise UserError(f'{name} needs `pip install "w2l[hub]"`.') from error
    try:
        path = Path(_fetched(hub, errors, name, address))
    except errors.GatedRepoError as error:
        raise UserError(
            f"{address.repository} is given to those who accept its terms: do so at "
            f"{_endpoint(hub)}/{address.repository}, then `hf auth login`."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(
            f"The Hub has no {address.repository}, or it is private: check the name, or "
            "`hf auth login`."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f"{address.repository} has no revision {address.revision}.") from error
    except errors.HFValidationError as error:
        raise UserError(f"{name} is no address on the Hub: {error}") from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise _unreachable(name, error) from error
    except errors.HfHubHTTPError as error:
        raise _unreachable(name, error) from error
    except OSError as error:
        raise UserError(f"{name} could not be stored ({error}): HF_HOME names another folder.") \
            from error  # fmt: skip
    if address.revision is None:
        console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        # Whole: the Hub takes no shortened ones.
        console.print(f"{name}: {path.name}; @{_commit(path)} pins this commit")
    return path


def _fetched(hub: Any, errors: Any, name: str, address: Address) -> str:
    """Where the file lies now."""
    options: dict[str, Any] = {
        "revision": address.revision,
        "endpoint": _endpoint(hub),
        "cache_dir": os.environ.get("HF_HUB_CACHE"),
    }
    if is_offline():
        return _cached(hub, errors, name, address, options)
    file = address.file or MODEL
    try:
        return hub.hf_hub_download(address.repository, file, **options)  # type: ignore[no-any-return]
    except errors.LocalEntryNotFoundError:
        raise  # nobody answered
    except errors.EntryNotFoundError as error:
        api = hub.HfApi(endpoint=options["endpoint"])
        there = api.list_repo_files(address.repository, revision=address.revision)
        networks = [each for each in there if each.lower().endswith(NETWORKS)]
        if address.file is None and len(networks) == 1:
            return hub.hf_hub_download(address.repository, networks[0], **options)  # type: ignore[no-any-return]
        raise _which(address, networks) from error


def _cached(hub: Any, errors: Any, name: str, address: Address, options: dict[str, Any]) -> str:
    """The same of what was fetched before."""
    try:
        folder = hub.snapshot_download(address.repository, local_files_only=True, **options)
    except errors.LocalEntryNotFoundError:
        require_network(name, "run once without it, or copy the Hub's cache (HF_HOME) here")
        raise
    if address.file is not None:
        networks = [address.file] if (Path(folder) / address.file).is_file() else []
    else:
        found = (path for path in Path(folder).rglob("*") if path.suffix.lower() in NETWORKS)
        networks = sorted(str(path.relative_to(folder)) for path in found)
        networks = [MODEL] if MODEL in networks else networks
    if not networks:
        require_network(name, "run once without it, or copy the Hub's cache (HF_HOME) here")
    if len(networks) != 1:
        raise _which(address, networks)
    return str(Path(folder) / networks[0])


def _which(address: Address, networks: list[str]) -> UserError:
    """No file, or too many that may be meant."""
    at = f"@{address.revision}" if address.revision else ""
    if not networks:
        return UserError(
            f"{address.repository}{at} holds no network ({', '.join(NETWORKS)}): is it the right "
            "repository?"
        )
    missing = f"has no {address.file}" if address.file else "holds several networks"
    named = either([f"hf:{address.repository}/{file}{at}" for file in networks[:6]])
    return UserError(f"{address.repository}{at} {missing}: name one, as {named}.")


def _unreachable(name: str, error: Exception) -> UserError:
    cause: BaseException = error
    while cause.__cause__ is not None:  # the client's own words are of what it tried
        cause = cause.__cause__
    reason = str(cause).strip().partition("\n")[0].rstrip(".") or type(cause).__name__
    return UserError(f"{name} cannot be fetched ({reason[:160]}): try again.")


def _endpoint(hub: Any) -> str:
    return os.environ.get("HF_ENDPOINT") or str(hub.constants.ENDPOINT)


def _commit(path: Path) -> str:
    """The commit's folder in the Hub's cache: `…/snapshots/<commit>/<file>`."""
    parts = path.parts
    place = len(parts) - 1 - parts[::-1].index("snapshots") if "snapshots" in parts else -2
    return parts[place + 1]
