"""Archives that were downloaded, to folders that are whole or not there."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from shutil import disk_usage

from mobile_runtime.files import build_folder
from train.downloads import DownloadError


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a ZIP archive into a folder that is whole or not there; a single folder that holds everything is left out.

    Raises:
        DownloadError: not a ZIP archive, a damaged one, or no room for what is in it.
    """
    try:
        with zipfile.ZipFile(archive) as opened, build_folder(folder) as temporary:
            members = [member for member in opened.infolist() if not member.filename.startswith("__MACOSX/")]
            needed = sum(member.file_size for member in members)
            if needed > (free := disk_usage(temporary).free):
                raise DownloadError(f"{archive}: unpacked it takes {needed} bytes, {free} are free; make room")
            opened.extractall(temporary, members)  # drops `..` and leading slashes from names
            if len(inner := list(temporary.iterdir())) == 1 and inner[0].is_dir():
                only = inner[0].rename(temporary / ".only")
                for child in only.iterdir():
                    child.rename(temporary / child.name)
                only.rmdir()
    except (zipfile.BadZipFile, zipfile.LargeZipFile, RuntimeError, EOFError, zlib.error) as error:
        raise DownloadError(f"{archive}: not a whole ZIP archive ({error}); delete it and run the command again") from error
    return folder
