"""Llamafiles, whole and broken, read without being started."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

import pytest

from localchat.core.errors import ModelFileError
from localchat.models.gguf import BrokenModel
from localchat.models.llamafiles import Llamafile, llamafiles_in, read_llamafile

PROGRAM = b"MZqFpD='\n" + b"a program for every system" * 400
ARGUMENTS = "-m\n/zip/model.Q4_K_M.gguf\n--temp\n0.6\n...\n"


def write(path: Path, *, arguments: str | None = ARGUMENTS, **files: bytes) -> Path:
    """A llamafile as zipalign makes it: a program with an archive behind it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(PROGRAM)
    with zipfile.ZipFile(path, "a") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        if arguments is not None:
            archive.writestr(".args", arguments)
    return path


def test_says_what_is_in_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a b 中文 🐛.llamafile", **{"model.Q4_K_M.gguf": b"GGUF" * 100})
    found = read_llamafile(path)

    assert found.name == "a b 中文 🐛"
    assert found.size == path.stat().st_size
    assert found.weights == ("model.Q4_K_M.gguf",)
    assert found.arguments == ("-m", "/zip/model.Q4_K_M.gguf", "--temp", "0.6", "...")
    assert not found.is_bare
    assert found.weights_to_name is None


def test_the_weights_that_it_answers_with_come_first(tmp_path: Path) -> None:
    files = {"a-draft.gguf": b"GGUF", "mmproj-f16.gguf": b"GGUF", "model.Q4_K_M.gguf": b"GGUF"}
    found = read_llamafile(write(tmp_path / "x.llamafile", **files))
    assert found.weights[0] == "model.Q4_K_M.gguf"
    assert found.weights[-1] == "mmproj-f16.gguf"


def test_one_without_a_model_is_bare(tmp_path: Path) -> None:
    found = read_llamafile(write(tmp_path / "llamafile-0.9.3", arguments=None, manual=b"text"))
    assert found.is_bare
    assert found.weights_to_name is None


def test_one_that_forgets_its_own_arguments_has_to_be_told_of_its_weights(tmp_path: Path) -> None:
    arguments = "-m\n/zip/model.gguf\n"
    found = read_llamafile(
        write(tmp_path / "x.llamafile", arguments=arguments, **{"model.gguf": b"GGUF"})
    )
    assert found.weights_to_name == PurePosixPath("/zip/model.gguf")


def test_lists_llamafiles_and_what_is_broken_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "b.llamafile", **{"m.gguf": b"GGUF"})
    write(tmp_path / "deep" / "c.exe", **{"m.gguf": b"GGUF"})
    write(tmp_path / "llamafile-0.9.3", arguments=None)
    write(tmp_path / "setup.exe", arguments=None, data=b"some other program with an archive")
    (tmp_path / "notepad.exe").write_bytes(b"MZ, and no archive at all")
    (tmp_path / "a.llamafile").write_bytes(PROGRAM)
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    (tmp_path / "folder.llamafile").mkdir()

    found = llamafiles_in(tmp_path)

    assert [one.path.name for one in found] == [
        "a.llamafile", "b.llamafile", "c.exe", "llamafile-0.9.3",
    ]  # fmt: skip
    assert isinstance(found[0], BrokenModel)
    assert "cut short" in found[0].reason
    assert all(isinstance(one, Llamafile) for one in found[1:])


def test_the_second_name_that_windows_needs_is_no_second_llamafile(tmp_path: Path) -> None:
    path = write(tmp_path / "b.llamafile", **{"m.gguf": b"GGUF"})
    path.with_name("b.llamafile.exe").hardlink_to(path)
    assert [one.path.name for one in llamafiles_in(tmp_path)] == ["b.llamafile"]


@pytest.mark.parametrize("keep", [0, 1, 9, 2_000, 11_000])
def test_one_that_is_cut_short_says_so(tmp_path: Path, keep: int) -> None:
    path = write(tmp_path / "x.llamafile", **{"m.gguf": b"GGUF" * 1000})
    with path.open("r+b") as file:
        file.truncate(keep)
    with pytest.raises(ModelFileError, match=r"empty|no llamafile|cut short"):
        read_llamafile(path)


def test_one_whose_arguments_are_damaged_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.llamafile"
    path.write_bytes(PROGRAM)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(".args", ARGUMENTS * 50)
    whole = path.read_bytes()
    at = len(PROGRAM) + 40
    path.write_bytes(whole[:at] + b"\xff" * 8 + whole[at + 8 :])
    with pytest.raises(ModelFileError):
        read_llamafile(path)


def test_arguments_that_would_fill_all_memory_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.llamafile"
    path.write_bytes(PROGRAM)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(".args", "-m\n" * 20_000_000)
    assert sum(map(len, read_llamafile(path).arguments)) < 200_000


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.llamafile").write_text("<html>not found</html>")
    with pytest.raises(ModelFileError, match="is no llamafile"):
        read_llamafile(tmp_path / "x.llamafile")
    with pytest.raises(ModelFileError, match="There is no llamafile"):
        read_llamafile(tmp_path / "gone.llamafile")
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_llamafile(tmp_path)
