"""Files from this computer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from localchat.core.errors import ReadError

_CLOUD_HINT = "Check that the disk or the cloud folder it lies in is connected, and try again."


@dataclass(frozen=True)
class Loaded:
    """The bytes of a file and the name that people know it by."""

    path: Path
    name: str
    content: bytes


def load_file(path: Path | str, *, limit_bytes: int = 200 * 1024 * 1024) -> Loaded:
    """Reads one file, or raises a ``ReadError`` that says why it could not be read."""
    shown = str(path)
    try:
        file = Path(path).expanduser().resolve()
        if file.is_dir():
            raise ReadError(shown, f"“{shown}” is a folder.", "Add the files in it.")
        if file.exists() and not file.is_file():
            raise ReadError(shown, f"“{shown}” is not a file.", "Add a file that holds text.")
        with file.open("rb") as stream:
            content = stream.read(limit_bytes + 1)
    except FileNotFoundError:
        raise ReadError(
            shown, f"There is no file “{shown}”.", "Check the path: it may have been moved."
        ) from None
    except PermissionError:
        raise ReadError(
            shown,
            f"LocalChat is not allowed to read “{shown}”.",
            "Change the permissions of the file, or copy it to a folder of your own.",
        ) from None
    except (OSError, ValueError, RuntimeError) as error:  # also a NUL in the path, "~nobody"
        reason = getattr(error, "strerror", None) or str(error)
        raise ReadError(shown, f"“{shown}” could not be read ({reason}).", _CLOUD_HINT) from error
    if len(content) > limit_bytes:
        raise ReadError(
            shown,
            f"“{file.name}” is larger than the limit of {limit_bytes / 1e6:,.0f} MB.",
            "Split it into smaller files, or raise the limit in the settings.",
        )
    if not content:
        raise ReadError(shown, f"“{file.name}” is empty.", "Choose a file that has text in it.")
    return Loaded(file, file.name, content)
