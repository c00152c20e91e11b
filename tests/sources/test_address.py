from __future__ import annotations

import pytest

from localchat.core.errors import FetchError
from localchat.sources.address import addresses_in, is_local, normalise_address


@pytest.mark.parametrize(
    ("pasted", "address"),
    [
        ("example.com", "https://example.com/"),
        ("  <https://Example.COM:443/Path#part> ", "https://example.com/Path"),
        ("HTTP://example.com:80", "http://example.com/"),
        ("http://example.com:443/", "http://example.com:443/"),
        ("//example.com/x", "https://example.com/x"),
        ("“https://example.com/x”", "https://example.com/x"),
        ("localhost:8501/x", "http://localhost:8501/x"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000/"),
        ("[::1]:8000/a", "http://[::1]:8000/a"),
        ("http://nas/files", "http://nas/files"),
        ("www.example.org.", "https://www.example.org/"),
        ("münchen.de/straße", "https://xn--mnchen-3ya.de/stra%C3%9Fe"),
        ("https://zh.wikipedia.org/wiki/茶", "https://zh.wikipedia.org/wiki/%E8%8C%B6"),
        ("https://zh.wikipedia.org/wiki/%e8%8c%b6", "https://zh.wikipedia.org/wiki/%E8%8C%B6"),
        ("https://en.wikipedia.org/wiki/Tea_(meal)", "https://en.wikipedia.org/wiki/Tea_(meal)"),
        ("https://en.wikipedia.org/wiki/Yahoo!", "https://en.wikipedia.org/wiki/Yahoo!"),
        ("https://example.com/%7euser/a/../b/./c", "https://example.com/~user/b/c"),
        ("https://example.com/?q=a+b&r=100%", "https://example.com/?q=a+b&r=100%25"),
    ],
)
def test_one_form_for_each_address(pasted, address):
    assert normalise_address(pasted) == address
    assert normalise_address(address) == address


@pytest.mark.parametrize(
    ("pasted", "said"),
    [
        ("", "it is empty"),
        ("hello", "a site's name has a dot in it"),
        ("two words.com", "it has spaces in it"),
        ("notes.md", "looks like the name of a file"),
        ("me@example.com", "looks like an e-mail address"),
        ("file:///etc/passwd", "starts with file:"),
        ("ftp://example.com/x", "starts with ftp:"),
        ("javascript:alert(1)", "starts with javascript:"),
        ("data:text/html,hi", "starts with data:"),
        ("C:\\Users\\me\\a.pdf", "is a path on this computer"),
        ("/home/me/a.pdf", "is a path on this computer"),
        ("https://", "it names no site"),
        ("https://example.com:99999/", "its port is not a number"),
        ("https://[bad/", "its brackets do not match"),
        ("https://-bad-.com/", "characters that no site can have"),
        ("https://me:secret@example.com/", "user name or password"),
        ("x" * 10_000, "is not a web address"),
    ],
)
def test_what_is_no_address_says_why(pasted, said):
    with pytest.raises(FetchError) as caught:
        normalise_address(pasted)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("pasted", "addresses"),
    [
        ("https://a.com\nhttps://b.com", ["https://a.com/", "https://b.com/"]),
        ("a.com, b.org;c.net/x", ["https://a.com/", "https://b.org/", "https://c.net/x"]),
        ("- https://a.com\n* b.org\n• <c.net>\n1. d.com", ["https://a.com/", "https://b.org/",
                                                          "https://c.net/", "https://d.com/"]),
        ("[Tea](https://a.com/Tea_(meal)) and [b](https://b.org \"B\")",
         ["https://a.com/Tea_(meal)", "https://b.org/"]),
        ("See https://a.com/x, and (https://b.org/y).", ["https://a.com/x", "https://b.org/y"]),
        ("请看https://a.com/茶。", ["https://a.com/%E8%8C%B6"]),
        ("https://a.com/x,y", ["https://a.com/x,y"]),
        ("https://a.com,https://b.org", ["https://a.com/", "https://b.org/"]),
        ("https://a.com\nHTTPS://A.com:443/#top\na.com", ["https://a.com/"]),
        ("1.example.org", ["https://1.example.org/"]),
        (" \n\n", []),
    ],
)  # fmt: skip
def test_many_addresses_are_found_in_order_and_once(pasted, addresses):
    assert [address for _, address in addresses_in(pasted)] == addresses


def test_a_line_without_an_address_says_so_and_spoils_nothing():
    first, second, third = addresses_in("https://a.com\nwhat is this\nfile:///etc/passwd")
    assert first == ("https://a.com", "https://a.com/")
    assert second[0] == "what is this"
    assert "there is no web address in this line" in str(second[1])
    assert "starts with file:" in str(third[1])


@pytest.mark.parametrize(
    "host", ["localhost", "127.1.2.3", "::1", "[::1]", "10.0.0.1", "nas.local"]
)
def test_local_hosts(host):
    assert is_local(host)
    assert not is_local("example.org")
    assert not is_local("8.8.8.8")
