"""Collections group sources; a question can be asked of some of them only."""

from __future__ import annotations

from contextlib import closing

import pytest

from localchat.core.database import Database
from localchat.core.errors import LocalChatError
from localchat.core.folder import DataFolder
from localchat.core.migrations import MIGRATIONS
from localchat.library.collections import LONGEST_NAME
from localchat.library.library import Library
from localchat.library.scope import EVERYTHING, Scope
from tests.library.kit import add_text, opened

TEA = "Green tea is steamed soon after it is picked."
COFFEE = "Coffee is roasted, and tea is not."
LAMP = "The lamp in the hall needs a new bulb."


@pytest.fixture
def three(library: Library) -> list[int]:
    """The ids of three sources."""
    texts = {"tea.txt": TEA, "coffee.txt": COFFEE, "lamp.txt": LAMP}
    return [add_text(library, name, text).id for name, text in texts.items()]


def names(library: Library) -> dict[str, int]:
    return {one.name: one.sources for one in library.collections.all()}


def found(library: Library, question: str, scope: Scope) -> set[int]:
    documents = library.retriever(10, scope=scope).invoke(question)
    return {document.metadata["source_id"] for document in documents}


# Collections


def test_a_source_may_be_in_any_number_of_collections(library: Library, three: list[int]) -> None:
    tea, coffee, lamp = three
    library.collections.put_into([tea, coffee], "Kitchen")
    library.collections.put_into([tea, lamp], "Favourites")
    assert names(library) == {"Favourites": 2, "Kitchen": 2}
    by_source = library.collections.by_source()
    assert [one.name for one in by_source[tea]] == ["Favourites", "Kitchen"]
    assert [one.name for one in by_source[lamp]] == ["Favourites"]


def test_a_source_put_in_twice_is_in_once(library: Library, three: list[int]) -> None:
    for _ in range(2):
        kitchen = library.collections.put_into(three[:1], "Kitchen")
    assert kitchen.sources == 1


def test_what_is_taken_out_stays_in_the_library(library: Library, three: list[int]) -> None:
    kitchen = library.collections.put_into(three, "Kitchen")
    library.collections.take_out(three[1:], kitchen.id)
    assert library.collections.sources(kitchen.id) == {three[0]}
    assert len(library.sources()) == 3


def test_a_deleted_collection_leaves_its_sources_in_the_library(
    library: Library, three: list[int]
) -> None:
    kitchen = library.collections.put_into(three, "Kitchen")
    library.collections.delete(kitchen.id)
    assert names(library) == {}
    assert library.collections.by_source() == {}
    assert len(library.sources()) == 3


def test_a_removed_source_leaves_its_collections(library: Library, three: list[int]) -> None:
    library.collections.put_into(three[:2], "Kitchen")
    library.remove(three[0])
    assert names(library) == {"Kitchen": 1}
    library.collections.put_into([three[0]], "Kitchen")  # as another tab may still try
    assert names(library) == {"Kitchen": 1}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  Law \n and  order ", "Law and order"),
        ("法律 ⚖️", "法律 ⚖️"),
        ("Cafe\u0301", "Café"),
        ("a\0b\x1b", "a b"),
        ("half \ud83d", "half ?"),
        ("x" * LONGEST_NAME, "x" * LONGEST_NAME),
    ],
)
def test_a_name_is_kept_without_what_nobody_sees(library: Library, given: str, kept: str) -> None:
    assert library.collections.create(given).name == kept
    assert names(library) == {kept: 0}
    assert library.collections.named(given).name == kept


@pytest.mark.parametrize(
    ("first", "again"), [("Law", "law "), ("Öl", "öL"), ("Straße", "STRASSE"), ("Ａ", "a")]
)
def test_names_are_told_apart_without_regard_to_case(
    library: Library, first: str, again: str, three: list[int]
) -> None:
    library.collections.create(first)
    with pytest.raises(LocalChatError, match=r"There is a collection “.*” already"):
        library.collections.create(again)
    library.collections.put_into(three, again)
    assert names(library) == {first: 3}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "A collection needs a name. Give it one of up to 60 characters."),
        (" \t\n", "A collection needs a name."),
        ("x" * 61, "This name for a collection has 61 characters. Give it one of up to 60."),
    ],
)
def test_a_name_that_is_none_is_refused_in_plain_words(
    library: Library, name: str, says: str, three: list[int]
) -> None:
    kept = library.collections.create("Kept")
    for attempt in (
        lambda: library.collections.create(name),
        lambda: library.collections.rename(kept.id, name),
        lambda: library.collections.put_into(three, name),
        lambda: library.add_file("new.txt", b"Something new.", collection=name),
        lambda: library.add_addresses("http://127.0.0.1:9/", name),
    ):
        with pytest.raises(LocalChatError) as told:
            attempt()
        assert str(told.value).startswith(says)
    assert names(library) == {"Kept": 0}
    assert len(library.sources()) == 3, "nothing was added either"


def test_a_collection_gets_another_name_but_not_that_of_another_one(library: Library) -> None:
    law = library.collections.create("Law")
    library.collections.create("Order")
    library.collections.rename(law.id, "LAW")
    assert list(names(library)) == ["LAW", "Order"]
    with pytest.raises(LocalChatError, match="There is a collection “order” already"):
        library.collections.rename(law.id, "order")
    assert list(names(library)) == ["LAW", "Order"]


def test_who_names_a_collection_that_is_not_there_hears_which_there_are(library: Library) -> None:
    with pytest.raises(LocalChatError, match=r"no collection “Law”\. There is none at all yet"):
        library.collections.named("Law")
    library.collections.create("Order")
    with pytest.raises(LocalChatError, match=r"no collection “Law”\. There are: “Order”\."):
        library.collections.named("Law")


def test_a_deleted_collection_never_gives_its_number_to_a_new_one(library: Library) -> None:
    """A conversation may still ask it."""
    first = library.collections.create("Law")
    library.collections.delete(first.id)
    assert library.collections.create("Law").id != first.id


# Adding


def test_what_is_added_can_be_put_into_a_collection_at_once(library: Library) -> None:
    added = library.add_file("tea.txt", TEA.encode(), collection="Kitchen")
    assert names(library) == {"Kitchen": 1}
    again = library.add_file("tea.txt", TEA.encode(), collection="Favourites")
    assert again.source_id == added.source_id
    assert names(library) == {"Favourites": 1, "Kitchen": 1}, "it was known, and is put in too"


def test_addresses_that_are_refused_make_no_collection(library: Library) -> None:
    [refused] = library.add_addresses("this is no address", "Kitchen")
    assert refused.outcome == "refused"
    assert names(library) == {}


# Scope


def test_a_search_stays_within_its_scope(library: Library, three: list[int]) -> None:
    tea, coffee, lamp = three
    kitchen = library.collections.put_into([tea, coffee], "Kitchen")
    assert found(library, "tea", EVERYTHING) >= {tea, coffee}
    assert found(library, "tea", Scope(sources=frozenset({coffee}))) == {coffee}
    within = Scope(collections=frozenset({kitchen.id}))
    assert found(library, "lamp", within) <= {tea, coffee}
    both = Scope(sources=frozenset({lamp}), collections=frozenset({kitchen.id}))
    assert library.resolve(both) == {tea, coffee, lamp}


def test_everything_is_no_scope_at_all(library: Library) -> None:
    assert library.resolve(EVERYTHING) is None
    assert library.retriever().sources is None


def test_a_scope_whose_sources_are_gone_finds_nothing(library: Library, three: list[int]) -> None:
    kitchen = library.collections.put_into(three[:1], "Kitchen")
    scope = Scope(sources=frozenset({three[1]}), collections=frozenset({kitchen.id}))
    library.collections.delete(kitchen.id)
    assert library.resolve(scope) == {three[1]}
    library.remove(three[1])
    assert library.resolve(scope) == frozenset()
    assert found(library, "tea", scope) == set()


def test_a_collection_that_is_empty_finds_nothing(library: Library, three: list[int]) -> None:
    empty = library.collections.create("Empty")
    assert found(library, "tea", Scope(collections=frozenset({empty.id}))) == set()


def test_a_scope_follows_its_collection(library: Library, three: list[int]) -> None:
    kitchen = library.collections.put_into(three[:1], "Kitchen")
    scope = Scope(collections=frozenset({kitchen.id}))
    library.collections.rename(kitchen.id, "Scullery")
    library.collections.put_into([three[2]], "Scullery")
    assert library.resolve(scope) == {three[0], three[2]}


def test_a_scope_of_ten_thousand_sources_is_understood(library: Library, three: list[int]) -> None:
    scope = Scope(sources=frozenset(range(100_000, 110_000)) | {three[0]})
    assert library.resolve(scope) == {three[0]}


@pytest.mark.parametrize(
    "scope", [EVERYTHING, Scope(sources=frozenset({3, 1})), Scope(collections=frozenset({7}))]
)
def test_a_scope_can_be_written_down(scope: Scope) -> None:
    assert Scope.from_json(scope.to_json()) == scope
    assert EVERYTHING.to_json() == ""


def test_titles_that_two_sources_share_are_told_apart(library: Library) -> None:
    a = add_text(library, "a.md", "# Notes\n\nAbout tea.")
    b = add_text(library, "b.md", "# Notes\n\nAbout lamps.")
    c = add_text(library, "c.md", "# Lamps\n\nAbout bulbs.")
    assert library.titles() == {c.id: "Lamps", a.id: "Notes (a.md)", b.id: "Notes (b.md)"}
    assert list(library.titles()) == [c.id, a.id, b.id], "in the order of the alphabet"


# What was there before


def test_a_library_from_before_there_were_collections_goes_on(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = next(n for n, script in enumerate(MIGRATIONS) if "TABLE collection" in script)
    with monkeypatch.context() as patch:
        patch.setattr("localchat.core.database.MIGRATIONS", MIGRATIONS[:before])
        with closing(Database(folder.database)) as old, old.write() as db:
            db.execute("INSERT INTO conversation (id, changed_at) VALUES ('c', 'now')")
            db.execute(
                "INSERT INTO source (origin, name, title, added_at)"
                " VALUES ('http://x/', 'http://x/', 'Old', 'now')"
            )
    with opened(folder, start=False) as library:
        [source] = library.sources()
        library.collections.put_into([source.id], "Kitchen")
        assert names(library) == {"Kitchen": 1}
    with closing(Database(folder.database)) as database:
        assert database.read("SELECT scope FROM conversation")[0]["scope"] == ""
