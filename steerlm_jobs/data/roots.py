"""Roots of a run: the data and models of others, by address. Looking at one copies nothing."""

import difflib
import fnmatch
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from steerlm_jobs.contract.errors import BadConfigError, BadInputError
from steerlm_jobs.contract.fingerprint import canonical_json, short_sha256
from steerlm_jobs.store.failures import local_failures
from steerlm_jobs.store.files import FileStat, Store, is_local, local_folder, open_store
from steerlm_jobs.store.local import file_stat

EVERYTHING: Final = ("*",)
MODEL_FILES: Final = (
    "*.safetensors",
    "*.json",
    "*.model",
    "*.jinja",
    "LICENSE*",
    "NOTICE*",
    "README.md",
)
"""What is read of a model folder; pickled weights and the rest are passed over."""


@dataclass(frozen=True, slots=True)
class Root:
    """A file or a folder in a store."""

    uri: str
    store: Store
    """Its folder; of a file, the folder that it lies in."""
    files: tuple[FileStat, ...]
    """Sorted; hidden files are passed over."""
    is_file: bool = False

    @classmethod
    def at(cls, uri: str, patterns: tuple[str, ...] = EVERYTHING) -> "Root":
        """Look at an address.

        Raises:
            BadInputError: There is nothing at that address.
            BadConfigError: The address is of no known kind.
        """
        if is_local(uri):
            return cls._at_path(local_folder(uri).absolute(), patterns)
        if uri.startswith("hf://"):
            name = uri.removeprefix("hf://").removeprefix("datasets/")
            fetch = f"hf download {name} --repo-type dataset --local-dir DIR"
            msg = f"{uri}: data are not read from the hub; fetch them, {fetch}, and give the folder"
            raise BadConfigError(msg)
        parent, _, name = uri.rstrip("/").rpartition("/")
        if not parent.endswith(":/"):  # else it is a whole bucket
            outer = open_store(parent)
            file = tuple(stat for stat in outer.list(name) if stat.path == name)
            if file:
                return cls(uri, outer, file, is_file=True)
        store = open_store(uri.rstrip("/"))
        return cls(uri, store, _wanted(store, patterns))

    @classmethod
    def _at_path(cls, path: Path, patterns: tuple[str, ...]) -> "Root":
        with local_failures(str(path)):
            if path.is_file():
                file = file_stat(path, path.name)
                return cls(str(path), open_store(str(path.parent)), (file,), is_file=True)
            is_folder = path.is_dir()
        if not is_folder:
            msg = f"{path}: no such file or folder{_meant(path)}"
            raise BadInputError(msg)
        store = open_store(str(path))
        return cls(str(path), store, _wanted(store, patterns))

    def local(self, scratch: Path) -> Path:
        """Return it as a local file or folder: in place if it is local, else a copy."""
        target = self.store.local_path("")
        if target is None:
            listing = canonical_json([[s.path, s.size, s.tag] for s in self.files])
            target = scratch / "roots" / short_sha256(f"{self.uri} {listing}".encode())[:16]
            for stat in self.files:
                if not (target / stat.path).exists():
                    self.store.get_file(stat.path, target / stat.path)
        return target / self.files[0].path if self.is_file else target


def _meant(path: Path) -> str:
    """Return what may have been meant by a path where nothing is; empty if nothing is like it."""
    if any(sign in path.name for sign in "*?["):
        return "; patterns are not looked up: give the folder, all data files in it are read"
    around = path.parent.glob("*") if path.parent.is_dir() else ()
    by_stem = {_stem(other): other.name for other in sorted(around)}
    close = difflib.get_close_matches(_stem(path), by_stem, n=1, cutoff=0.7)
    return f"; did you mean {by_stem[close[0]]}?" if close else ""


def _stem(path: Path) -> str:
    """Return a name without its endings, which are alike among data files."""
    return path.name.partition(".")[0]


def _wanted(store: Store, patterns: tuple[str, ...]) -> tuple[FileStat, ...]:
    found = tuple(stat for stat in store.list() if _is_wanted(stat.path, patterns))
    if not found:
        msg = f"{store.uri}: no file to read there; check the address"
        raise BadInputError(msg)
    return found


def _is_wanted(path: str, patterns: tuple[str, ...]) -> bool:
    parts = path.split("/")
    is_hidden = any(part.startswith(".") for part in parts)
    return not is_hidden and any(fnmatch.fnmatchcase(parts[-1], p) for p in patterns)
