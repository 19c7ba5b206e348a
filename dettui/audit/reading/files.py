"""Image files: where they lie, and what their headers say.  Pillow opens a file without decoding its pixels."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Final

from dettui.errors import MissingExtra

IMAGE_SUFFIXES: Final = frozenset(
    {".bmp", ".dng", ".heic", ".jpeg", ".jpg", ".mpo", ".pfm", ".png", ".tif", ".tiff", ".webp", ".ppm", ".gif"}
)


def imported(module: str, purpose: str) -> ModuleType:
    """*module*, which the extra ``audit`` brings.  Raises MissingExtra with *purpose* where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtra(f"{purpose} needs {package}: pip install 'dettui[audit]' ({error})") from error


def image_files(folder: Path) -> dict[str, Path]:
    """All images under *folder*, by their path below it, in order."""
    found = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in IMAGE_SUFFIXES)
    return {path.relative_to(folder).as_posix(): path for path in found}


class Finder:
    """Finds files by the names that annotations give them, in one listing of each folder, or from *base* on."""

    def __init__(self, folders: Iterable[Path], base: Path) -> None:
        self._base = base
        self._by_path: dict[str, Path] = {}
        self._by_name: dict[str, Path | None] = {}
        for folder in folders:
            self._learn(image_files(folder))

    def find(self, file: str) -> Path | None:
        """The file of that path below a folder, else the only one of that name, else at that path; None for none."""
        found = self._by_path.get(file) or self._by_name.get(Path(file).name)
        if found is None and _is_file(self._base / file):
            return self._base / file
        return found

    def _learn(self, files: Mapping[str, Path]) -> None:
        for relative, path in files.items():
            self._by_path.setdefault(relative, path)
            # Two files of one name: the name alone tells neither of them.
            self._by_name[path.name] = path if path.name not in self._by_name else None


def _is_file(path: Path) -> bool:
    """Whether *path* is a file; a name that no file system takes is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
