"""Adding, watching, opening and removing."""

from __future__ import annotations

import os
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from localchat.core.database import Database
from localchat.core.folder import DataFolder
from localchat.library.library import Library
from localchat.library.originals import digest
from tests.conftest import Site
from tests.library.kit import WordEmbedder, add_text, long_text, opened

PAGE = "<html><head><title>{0}</title></head><body><h1>{0}</h1><p>{1}</p></body></html>"
TEA = "Green tea is steamed soon after it is picked, so that its leaves stay green."


def rows(folder: DataFolder) -> dict[str, int]:
    """How many rows each table of the library holds."""
    tables = ("source", "revision", "chunk", "posting", "keyword_segment", "job", "stale_vector")
    with closing(Database(folder.database)) as database:
        return {name: database.read(f"SELECT count(*) FROM {name}")[0][0] for name in tables}


def test_a_file_becomes_a_source_that_can_be_opened_and_found(library: Library) -> None:
    source = add_text(library, "tea.md", f"# Tea\n\n{TEA}\n\n## Water\n\nIt must not boil.")
    assert (source.state, source.title, source.kind) == ("ready", "Tea", "markdown")
    assert (source.passages, source.address, source.error) == (2, None, "")
    assert TEA in library.text(source.id)
    assert library.headings(source.id) == ["Water"]
    assert library.sources() == [source]
    found = library.retriever(3).invoke("steamed tea")
    assert TEA in found[0].page_content


def test_a_page_is_fetched_once_and_kept(library: Library, site: Site, folder: DataFolder) -> None:
    site.pages["/tea.html"] = PAGE.format("Tea", TEA)
    [added] = library.add_addresses(f"{site.base}/tea.html")
    assert added.source_id is not None
    [source] = library.wait([added.source_id])
    assert (source.state, source.title) == ("ready", "Tea")
    assert source.address == f"{site.base}/tea.html"
    assert site.asked == ["/tea.html"]
    kept = digest(site.pages["/tea.html"].encode()) + ".html"  # type: ignore[union-attr]
    assert [path.name for path in folder.originals.iterdir()] == [kept]


@pytest.mark.parametrize(
    "again",
    ["{base}/tea.html#top", "HTTP://127.0.0.1:{port}/tea.html", " <{base}/a/../tea.html> "],
)
def test_another_way_to_write_an_address_adds_nothing(
    library: Library, site: Site, again: str
) -> None:
    site.pages["/tea.html"] = PAGE.format("Tea", TEA)
    [first] = library.add_addresses(f"{site.base}/tea.html")
    library.wait([first.source_id or 0])
    [second] = library.add_addresses(again.format(base=site.base, port=site.port))
    assert (second.outcome, second.source_id) == ("already", first.source_id)
    assert "“Tea”" in second.message
    assert len(library.sources()) == 1
    assert site.asked == ["/tea.html"]


def test_the_same_file_under_another_name_adds_nothing(library: Library) -> None:
    first = add_text(library, "tea.txt", TEA)
    second = library.add_file("copy of tea.txt", TEA.encode())
    assert (second.outcome, second.source_id) == ("already", first.id)
    assert len(library.sources()) == 1


def test_the_same_text_at_two_addresses_is_searched_once(library: Library, site: Site) -> None:
    site.pages["/a"] = site.pages["/b"] = PAGE.format("Tea", TEA)
    [a, b] = library.add_addresses(f"{site.base}/a\n{site.base}/b")
    first, second = library.wait([a.source_id or 0, b.source_id or 0])
    assert (first.state, second.state) == ("ready", "same")
    assert "“Tea”" in second.error
    assert len(library.retriever(10).invoke("steamed tea")) == 1


def test_the_other_address_of_a_removed_text_can_be_added(library: Library, site: Site) -> None:
    site.pages["/a"] = site.pages["/b"] = PAGE.format("Tea", TEA)
    [a, b] = library.add_addresses(f"{site.base}/a\n{site.base}/b")
    library.wait([a.source_id or 0, b.source_id or 0])
    library.remove(a.source_id or 0)
    [again] = library.add_addresses(f"{site.base}/b")
    assert again.outcome == "queued"
    [source] = library.wait([again.source_id or 0])
    assert source.state == "ready"
    assert len(library.retriever(10).invoke("steamed tea")) == 1


def test_two_tabs_that_add_the_same_thing_at_once_add_one(library: Library) -> None:
    failed: list[BaseException] = []
    together = threading.Barrier(4)

    def add() -> None:
        together.wait()
        try:
            for n in range(10):
                library.add_file("tea.txt", f"{TEA} {n}".encode())
                library.add_addresses(f"http://127.0.0.1:9/{n}")
        except BaseException as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(library.sources()) == 20


def test_one_bad_item_never_spoils_the_rest(library: Library, site: Site, tmp_path: Path) -> None:
    site.pages["/good"] = PAGE.format("Good", TEA)
    site.pages["/picture"] = (b"\x89PNG\r\n\x1a\n" + bytes(100), "image/png")
    (tmp_path / "folder").mkdir()
    (tmp_path / "ok.txt").write_text("The lamp turns once in ten seconds.")
    added = library.add_addresses(
        f"{site.base}/missing\nnot an address\n{site.base}/picture\n"
        f"http://127.0.0.1:9/dead\n{site.base}/good"
    )
    added += [
        library.add_file("empty.txt", b""),
        library.add_file("spaces.txt", b"  \n\n "),
        library.add_file("broken.pdf", b"%PDF-1.7 nothing more"),
        library.add_file("data.bin", bytes(range(256)) * 10),
        library.add_path(tmp_path / "nowhere.txt"),
        library.add_path(tmp_path / "folder"),
        library.add_path(tmp_path / "ok.txt"),
    ]
    sources = library.wait(one.source_id for one in added if one.source_id is not None)
    by_name = {source.name: source for source in sources}
    assert {s.name for s in sources if s.state == "ready"} == {f"{site.base}/good", "ok.txt"}
    for source in sources:
        assert (source.state == "failed") == bool(source.error)
    assert by_name["broken.pdf"].state == "failed"
    refused = [one for one in added if one.outcome == "refused"]
    assert len(refused) >= 4
    for told in (*(one.message for one in refused), *(s.error for s in sources if s.error)):
        assert not told[0].islower()
        assert "Traceback" not in told
        assert "inside LocalChat" not in told


def test_what_failed_can_be_tried_again(library: Library, site: Site) -> None:
    [added] = library.add_addresses(f"{site.base}/later")
    [source] = library.wait([added.source_id or 0])
    assert source.state == "failed"
    assert "404" in source.error
    site.pages["/later"] = PAGE.format("Later", TEA)
    library.retry(source.id)
    [source] = library.wait([source.id])
    assert (source.state, source.title, source.error) == ("ready", "Later", "")


def test_adding_again_what_failed_tries_again(library: Library, site: Site) -> None:
    [added] = library.add_addresses(f"{site.base}/later")
    library.wait([added.source_id or 0])
    site.pages["/later"] = PAGE.format("Later", TEA)
    [again] = library.add_addresses(f"{site.base}/later")
    assert (again.outcome, again.source_id) == ("queued", added.source_id)
    assert library.wait([again.source_id or 0])[0].state == "ready"


def test_a_file_over_the_limit_is_refused_with_its_size(folder: DataFolder) -> None:
    with opened(folder, start=False, fetch_bytes=1_000_000) as library:
        added = library.add_file("big.txt", b"a" * 2_000_000)
        assert (added.outcome, added.source_id) == ("refused", None)
        assert "2 MB" in added.message
        assert "1 MB" in added.message
        assert library.sources() == []
    assert list(folder.originals.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["with spaces.txt", "绿茶 的 笔记.md", "🐛.txt", "no ending", "a.b.c.md"]
)
def test_files_of_any_name_come_in(library: Library, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(TEA, encoding="utf-8")
    added = library.add_path(tmp_path / name)
    [source] = library.wait([added.source_id or 0])
    assert (source.state, source.name) == ("ready", name)


@pytest.mark.skipif(os.name == "nt", reason="names are text on Windows")
def test_a_name_that_is_no_text_gets_in_or_gets_a_sentence(
    library: Library, tmp_path: Path
) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + "/\u7eff\u8336.txt".encode("gbk")))
    path.write_text(TEA)
    added = library.add_path(path)
    assert added.outcome == "queued" or added.message


def test_nothing_is_left_of_what_is_removed(
    library: Library, folder: DataFolder, site: Site
) -> None:
    site.pages["/tea.html"] = PAGE.format("Tea", TEA)
    [added] = library.add_addresses(f"{site.base}/tea.html")
    library.wait([added.source_id or 0])
    file = add_text(library, "lamp.md", long_text(5))
    assert rows(folder)["posting"] > 5
    assert library.remove(added.source_id or 0)
    assert library.remove(file.id)
    assert not library.remove(file.id)
    end = time.monotonic() + 10
    while any(rows(folder).values()) and time.monotonic() < end:
        time.sleep(0.05)
    assert set(rows(folder).values()) == {0}
    assert list(folder.originals.iterdir()) == []
    assert library.retriever(5).invoke("lamp") == []
    assert library.source(file.id) is None
    assert library.text(file.id) == ""


def test_what_was_removed_can_be_added_again(library: Library) -> None:
    source = add_text(library, "tea.txt", TEA)
    library.remove(source.id)
    again = add_text(library, "tea.txt", TEA)
    assert again.state == "ready"
    assert again.id != source.id
    assert len(library.retriever(5).invoke("steamed tea")) == 1


def test_removing_in_the_middle_leaves_nothing(
    library: Library, folder: DataFolder, embedder: WordEmbedder
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        begun.set()
        assert go_on.wait(10)

    embedder.before = hold
    added = library.add_file("long.md", long_text(150).encode())
    assert begun.wait(10)
    library.remove(added.source_id or 0)
    embedder.before = lambda _: None
    go_on.set()
    other = add_text(library, "tea.txt", TEA)
    assert other.state == "ready"
    assert rows(folder)["chunk"] == 1
    assert len(embedder.given) < 150
    assert len(list(folder.originals.iterdir())) == 1


def test_removing_while_it_is_fetched_leaves_nothing(
    library: Library, folder: DataFolder, site: Site
) -> None:
    site.pages["/tea.html"] = PAGE.format("Tea", TEA)
    begun, go_on = threading.Event(), threading.Event()

    def hold(_: str) -> None:
        begun.set()
        go_on.wait(10)

    site.before_answer = hold
    [added] = library.add_addresses(f"{site.base}/tea.html")
    assert begun.wait(10)
    library.remove(added.source_id or 0)
    go_on.set()
    add_text(library, "lamp.txt", "The lamp turns once in ten seconds.")
    assert len(library.sources()) == 1
    assert len(list(folder.originals.iterdir())) == 1


def test_a_full_disk_refuses_a_file_and_leaves_no_half_of_it(small_disk: Path) -> None:
    folder = DataFolder(small_disk / "LocalChat")
    with opened(folder, start=False) as library:
        added = library.add_file("big.txt", os.urandom(4_000_000))
        assert added.outcome == "refused"
        assert "full" in added.message
        assert library.sources() == []
    assert list(folder.originals.iterdir()) == []


def test_removing_one_of_two_addresses_with_the_same_text_takes_the_other_in(
    library: Library, site: Site
) -> None:
    paths = ("/a", "/b", "/c")
    site.pages.update({path: PAGE.format("Tea", TEA) for path in paths})
    added = library.add_addresses("\n".join(site.base + path for path in paths))
    ids = [one.source_id or 0 for one in added]
    assert [source.state for source in library.wait(ids)] == ["ready", "same", "same"]
    library.remove(ids[0])
    deadline = time.monotonic() + 10
    while [s.state for s in library.wait(ids)] != ["ready", "same"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(library.retriever(5).invoke("steamed tea")) == 1


def test_the_same_bytes_under_four_names_at_once_are_kept_once(
    library: Library, folder: DataFolder
) -> None:
    together = threading.Barrier(4)

    def add(name: str) -> None:
        together.wait()
        library.add_file(name, TEA.encode())

    threads = [
        threading.Thread(target=add, args=(f"tea.{e}",)) for e in ("txt", "md", "log", "rst")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [source] = library.sources()
    assert [path.name for path in folder.originals.iterdir()] == [source.original]
