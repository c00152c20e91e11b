"""The file of a llamafile: whether it is there, and what is done to it before it is started."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from localchat.core.errors import ModelFileError
from localchat.engines.llamafile.plan import StartPlan


def size_of(path: Path) -> int:
    """Bytes of the file at ``path``.

    Raises:
        ModelFileError: there is none.
    """
    try:
        if not path.is_file():
            raise ModelFileError(path, f"There is no file at {path}.", "Choose another one.")
        return path.stat().st_size
    except OSError as error:
        raise ModelFileError(
            path, f"{path} cannot be read ({error.strerror or error}).", "Choose another one."
        ) from error


def is_inside(weights: Path) -> bool:
    """Whether ``weights`` are in the llamafile itself."""
    return weights.as_posix().startswith("/zip/")


def as_argument(weights: Path | None) -> str:
    if weights is None:
        return ""
    return weights.as_posix() if is_inside(weights) else str(weights.absolute())


def prepare(plan: StartPlan, path: Path) -> str:
    """Do to the file what has to be done before it can be started; returns that for people.

    Raises:
        ModelFileError: a name that it needs is taken by another file.
    """
    if plan.executable and not os.access(path, os.X_OK):
        with contextlib.suppress(OSError):  # a shell will read it all the same
            path.chmod(path.stat().st_mode | 0o100)
            return "the file was marked as a program, so that it can run"
    if not plan.link:
        return ""
    if plan.link.exists():
        if plan.link.samefile(path) or plan.link.stat().st_size == path.stat().st_size:
            return ""
        raise ModelFileError(
            path,
            f"To start {path.name}, Windows needs a copy named {plan.link.name} beside it, and "
            "there is another file of that name.",
            f"Rename or delete {plan.link.name}, and try again.",
        )
    try:
        plan.link.hardlink_to(path)
    except OSError:
        try:
            shutil.copyfile(path, plan.link)
        except OSError as error:
            plan.link.unlink(missing_ok=True)
            raise ModelFileError(
                path,
                f"Windows starts only files whose names end in .exe, and {plan.link} could not be "
                f"written ({error.strerror or error}).",
                f"Rename {path.name} to {plan.link.name}, and choose that.",
            ) from error
    return f"Windows starts it by the name {plan.link.name}, which was added beside it"
