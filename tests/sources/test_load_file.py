from __future__ import annotations

import os
import sys

import pytest

from localchat.core.errors import ReadError
from localchat.sources.load import load_file


def test_a_path_with_spaces_chinese_and_emoji(tmp_path):
    path = tmp_path / "我的 文件 🍵.md"
    path.write_bytes(b"# Tea")
    loaded = load_file(str(path))
    assert (loaded.name, loaded.content) == ("我的 文件 🍵.md", b"# Tea")


def test_what_is_no_file_says_why(tmp_path):
    with pytest.raises(ReadError, match="is a folder"):
        load_file(tmp_path)
    with pytest.raises(ReadError, match="There is no file"):
        load_file(tmp_path / "none.txt")
    with pytest.raises(ReadError, match="could not be read"):
        load_file("nul\0l.txt")
    with pytest.raises(ReadError, match=r"could not be read|no file"):
        load_file("x" * 5_000)


def test_an_empty_and_a_too_large_file(tmp_path):
    path = tmp_path / "a.txt"
    path.touch()
    with pytest.raises(ReadError, match="is empty"):
        load_file(path)
    path.write_bytes(b"a" * 1_000_001)
    with pytest.raises(ReadError, match="larger than the limit of 1 MB"):
        load_file(path, limit_bytes=1_000_000)
    assert len(load_file(path, limit_bytes=1_000_001).content) == 1_000_001


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_we_may_not_read(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"a")
    path.chmod(0)
    with pytest.raises(ReadError, match="not allowed to read"):
        load_file(path)


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in the file system")
def test_a_pipe_does_not_hang_us(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ReadError, match="is not a file"):
        load_file(tmp_path / "pipe")
