"""Finished bundles given other files: replaced as a whole, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from mobile_runtime.bundle import MANIFEST, SIGNATURE, Bundle
from mobile_runtime.files import build_folder
from mobile_runtime.manifest import FileEntry, Manifest


def rewrite(path: Path, change: Callable[[Path, Manifest], list[FileEntry]]) -> Bundle:
    """Change files of a bundle. A signature is dropped, since it was for others.

    Args:
        path: the bundle's folder.
        change: given a copy of the folder to write into and the manifest, returns what files there are now.

    Raises:
        BundleError: the bundle is not intact, before or after.
    """
    path = path.resolve()  # a link stays one, and `.` is another folder once it is replaced
    manifest = Bundle.load(path).manifest
    with build_folder(path) as folder:
        shutil.copytree(path, folder, dirs_exist_ok=True)
        (folder / SIGNATURE).unlink(missing_ok=True)
        changed = manifest.model_copy(update={"files": change(folder, manifest)})
        (folder / MANIFEST).write_text(changed.to_json(), encoding="utf-8")
        Bundle.load(folder)
    return Bundle.load(path)
