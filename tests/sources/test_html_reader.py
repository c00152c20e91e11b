from __future__ import annotations

import plistlib
import time

import pytest

from localchat.core.errors import FetchError, ReadError
from localchat.sources.read import read_document

LONG = "Green tea is steamed soon after it is picked, so that its leaves stay green. " * 10


def read(body: str, **more):
    page = f"<!DOCTYPE html><html><body>{body}</body></html>"
    return read_document(page.encode(), name="a.html", **more)


def blocks(body: str) -> list[tuple[str, str]]:
    document = read(body)
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<p><b>Task</b> decomposition</p>", [("paragraph", "Task decomposition")]),
        ("<p>H<sub>2</sub>O and\n  CO<sub>2</sub></p>", [("paragraph", "H2O and CO2")]),
        ("<p>10<sup>5</sup> and x<sup>2</sup></p>", [("paragraph", "10^5 and x2")]),
        ("<p>in 2020<sup><a href='#n1'>1</a></sup></p>", [("paragraph", "in 2020[1]")]),
        ("<p>one<br>two<br/>three</p>", [("paragraph", "one\ntwo\nthree")]),
        ("<p>a&nbsp;b&shy;c\u200bd</p>", [("paragraph", "a bcd")]),
        ("loose <i>text</i><p>and</p>more",
         [("paragraph", "loose text"), ("paragraph", "and"), ("paragraph", "more")]),
        ("<ul><li>a<ul><li>b</li></ul></li><li><p>c</p></li></ul>",
         [("list_item", "a"), ("list_item", "b"), ("list_item", "c")]),
        ("<dl><dt>tea</dt><dd>a drink</dd></dl>", [("list_item", "tea"), ("list_item", "a drink")]),
        ("<blockquote><p>said</p><footer>A. Person</footer></blockquote>",
         [("quote", "said"), ("quote", "A. Person")]),
        ("<pre><code>def f():\n    return 1\n\n\tx &lt; y\n</code></pre>",
         [("code", "def f():\n    return 1\n\n\tx < y")]),
        ("<pre><div>one</div><div>two</div></pre>", [("code", "one\ntwo")]),
        ("<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td><p>2</p><p>3</p></td></tr></table>",
         [("table_row", "a | b"), ("table_row", "1 | 2 3")]),
        ("<table><tr><td><h2>Old page</h2><p>laid out</p></td><td>in a table</td></tr></table>",
         [("heading", "Old page"), ("paragraph", "laid out"), ("paragraph", "in a table")]),
        ("<figure><img src='http://evil/x.png' alt='a cup of tea'><figcaption>Cup</figcaption></figure>",  # noqa: E501
         [("paragraph", "a cup of tea"), ("paragraph", "Cup")]),
        ("<p>x<img src='x.png' alt='x.png'></p>", [("paragraph", "x")]),
        ("<p>formula $a_b$ and \\(c\\)</p>", [("paragraph", "formula $a_b$ and \\(c\\)")]),
        ("<p>so <span style='display:none' class='mwe-math-mathml-inline'><math alttext='x^2'>"
         "<mi>x</mi></math></span></p>", [("paragraph", "so $x^2$")]),
        ("<p>and <script type='math/tex'>y_1</script></p>", [("paragraph", "and $y_1$")]),
        ("<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp></ruby>字", [("paragraph", "漢字")]),
        ("<p>seen<!-- not seen --></p><template>no</template><style>p{}</style>",
         [("paragraph", "seen")]),
    ],
)  # fmt: skip
def test_the_text_reads_as_in_the_browser(body, expected):
    assert blocks(body) == expected


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        (
            "<h2 id='tea'>Tea<a hidden class='anchor' aria-hidden='true' href='#tea'>#</a></h2>",
            "tea",
        ),
        ("<h2 id='tea'>Tea<a class='headerlink' href='#tea' title='Link'>¶</a></h2>", "tea"),
        ("<h2><a class='anchor' href='#tea'></a>Tea</h2>", "tea"),
        ("<h2><a href='#tea'>Tea</a></h2>", "tea"),
        ("<h2>Tea <a href='#tea'>Permalink</a></h2>", "tea"),
        ("<h2><span id='tea'>Tea</span></h2>", "tea"),
        ("<h2><a name='tea'></a>Tea</h2>", "tea"),
        ("<section id='tea'><h2>Tea</h2></section>", "tea"),
        ("<h2>Tea</h2>", None),
    ],
)
def test_headings_lead_back_to_their_place_and_lose_their_sign(heading, anchor):
    document = read(f"{heading}<p>{LONG}</p>")
    block = document.blocks[0]
    assert document.text[: block.end] == "Tea"
    assert (block.kind, block.level, block.anchor) == ("heading", 2, anchor)


@pytest.mark.parametrize(
    "noise",
    [
        "<nav><a href='/'>NOISE</a></nav>",
        "<header><p>NOISE</p></header>",
        "<footer>NOISE</footer>",
        "<aside>NOISE</aside>",
        "<form><label>NOISE</label><input></form>",
        "<div class='cookie-banner'>NOISE</div>",
        "<div id='CookieConsent'>NOISE</div>".replace("CookieConsent", "cookie_consent"),
        "<ul class='share-buttons'><li>NOISE</li></ul>",
        "<div role='navigation'>NOISE</div>",
        "<div hidden>NOISE</div>",
        "<div aria-hidden='true'>NOISE</div>",
        "<div style='display: none'>NOISE</div>",
        "<div class='toc'><ul><li><a href='#a'>NOISE</a></li></ul></div>",
        "<noscript>NOISE</noscript>",
        "<button>NOISE</button>",
        "<svg><text>NOISE</text></svg>",
        "<script>NOISE</script>",
        "<a class='skip-link' href='#main'>NOISE</a>",
        "<iframe>NOISE</iframe>",
    ],
)
def test_what_belongs_to_the_site_is_left_out(noise):
    assert read(f"{noise}<p>{LONG}</p>{noise}").text == LONG.strip()


@pytest.mark.parametrize(
    "page",
    [
        "<form id='aspnetForm'><p>{}</p></form>",
        "<div class='sidebar-layout'><p>{}</p></div>",
        "<div aria-hidden='true' id='root'><p>{}</p></div>",
        "<body style='visibility:hidden'><p>{}</p></body>",
        "<header><p>{}</p></header>",
        "<main><p>short</p></main><div><p>{}</p></div>",
        "<article>teaser</article><article>teaser two</article><p>{}</p>",
        "<main><aside class='note'><p>{}</p></aside></main>",
        "<p>{}</p></body></html><p>after the end",
    ],
)
def test_the_bulk_of_a_page_is_never_lost(page):
    assert LONG.strip() in read(page.format(LONG)).text


def test_the_article_is_chosen_and_its_own_header_kept():
    document = read(
        f"<p>Site</p><main><article><header><h1>Tea</h1></header><p>{LONG}</p>"
        "<div class='footnotes'>1. A note</div><footer>tags</footer></article></main><p>Site</p>"
    )
    assert document.text == f"Tea\n\n{LONG.strip()}\n\n1. A note"


@pytest.mark.parametrize(
    ("head", "title"),
    [
        (
            "<meta property='og:title' content='Tea &amp; milk'><title>Tea | Site</title>",
            "Tea & milk",
        ),
        ("<title>Tea | Site</title>", "Tea"),
        ("<title>All of it</title>", "All of it"),
        ("", "Tea"),
    ],
)
def test_where_the_title_comes_from(head, title):
    assert read(f"{head}<h1>Tea <a href='#t'>#</a></h1><p>Leaf.</p>").title == title


def test_without_any_title_the_name_is_it():
    assert read("<p>Leaf.</p>").title == "a.html"


@pytest.mark.parametrize(
    ("encoding", "declared", "header"),
    [
        ("gbk", "gb2312", None), ("gb18030", None, "gb2312"), ("gbk", None, None),
        ("big5", "big5", None), ("utf-8", "gbk-wrong", None), ("utf-8", None, "iso-8859-1"),
        ("utf-16", None, None), ("utf-8-sig", "iso-8859-1", None), ("gbk", "utf-8", None),
    ],
)  # fmt: skip
def test_the_encoding_by_header_page_mark_or_guess(encoding, declared, header):
    words = "綠茶是一種不發酵的茶，我們在這裡說明它的製作方法。" if encoding == "big5" else (
        "绿茶是一种不发酵的茶，我们在这里说明它的制作方法。")  # fmt: skip
    meta = f"<meta charset={declared}>" if declared else ""
    page = f"<html><head>{meta}</head><body><p>{words}</p></body></html>".encode(encoding)
    assert read_document(page, name="a.html", charset=header).text == words


@pytest.mark.parametrize(
    ("encoding", "words"),
    [("cp932", "緑茶は摘んだ後すぐに蒸します。"), ("euc_kr", "녹차는 딴 뒤에 바로 찝니다."),
     ("windows-1251", "Зелёный чай пропаривают сразу.")],
)  # fmt: skip
def test_declared_asian_and_cyrillic_encodings(encoding, words):
    name = {"cp932": "Shift_JIS"}.get(encoding, encoding)
    page = f"<meta http-equiv=Content-Type content='text/html; charset={name}'><p>{words}</p>"
    assert read_document(page.encode(encoding), name="a.html").text == words


def test_xhtml_with_its_declaration_is_read_without_a_warning():
    page = f"<?xml version='1.0' encoding='utf-8'?>\n<html><body><p>{LONG}</p></body></html>"
    assert read_document(page.encode(), name="a.xhtml").text == LONG.strip()


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("<script src=a.js></script><div id=root></div>"
         "<noscript>You need to enable JavaScript to run this app.</noscript>", "with JavaScript"),
        ("<script>x()</script><div id=__next></div><p>Loading…</p>", "with JavaScript"),
        ("<script>x()</script><p>Please enable JavaScript and cookies to continue</p>", "with JavaScript"),  # noqa: E501
        ("<script>x()</script>", "with JavaScript"),
        ("<title>Just a moment...</title><script>window._cf_chl_opt={}</script>"
         "<h1>example.com</h1><p>Verifying you are human.</p>", "whether its visitor is a person"),
        ("<title>Checking your browser</title><script>1</script><p>One second.</p>", "is a person"),
        ("<script src=/cdn-cgi/challenge-platform/x.js></script><p>Wait.</p>", "is a person"),
        ("<title>Log in</title><form><input name=u><input type=password></form><p>Welcome back</p>",
         "This is a login page"),
        ("<meta http-equiv=refresh content='0; url=https://example.org/new'><p>Moved.</p>",
         "only sends its visitors on to https://example.org/new"),
        ("<p> </p>", "There is no text on this page"),
    ],
)  # fmt: skip
def test_a_page_that_is_only_a_shell_is_told(page, said):
    with pytest.raises((FetchError, ReadError), match=said) as caught:
        read(page, address="https://example.org/")
    assert "drop the file here" in str(caught.value) or "Add the address" in str(caught.value)
    with pytest.raises(ReadError, match=said):
        read(page)


@pytest.mark.parametrize(
    "page",
    [
        f"<title>Just a moment in history</title><script>1</script><p>{LONG * 3}</p>",
        f"<noscript>Please enable JavaScript.</noscript><script>1</script><p>{LONG}</p>",
        f"<script src=/cdn-cgi/challenge-platform/x.js></script><p>{LONG}</p>",
        f"<form><input type=password></form><p>{LONG}</p>",
        "<p>Hello.</p>",
        "<script>count()</script><p>Hello, this is my small page.</p>",
    ],
)
def test_a_page_with_text_is_no_shell(page):
    assert read(page, address="https://example.org/").text


def test_pages_that_a_browser_saved_as_one_file():
    page = f"<html><head><title>Tee</title></head><p>Grün: {LONG}</p></html>"
    mhtml = (
        b"From: <Saved by Blink>\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/related; type="text/html"; boundary="xx"\r\n\r\n'
        b"--xx\r\nContent-Type: text/html; charset=iso-8859-1\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n\r\n" + page.encode("latin-1") + b"\r\n--xx--\r\n"
    )
    archive = plistlib.dumps(
        {
            "WebMainResource": {
                "WebResourceData": page.encode(),
                "WebResourceTextEncodingName": "UTF-8",
            }
        },
        fmt=plistlib.FMT_BINARY,
    )
    for content, name in ((mhtml, "a.mhtml"), (mhtml, "a.html"), (archive, "a.webarchive")):
        document = read_document(content, name=name)
        assert document.title == "Tee"
        assert document.text.startswith("Grün: Green tea")
    for name in ("b.mhtml", "b.webarchive"):
        with pytest.raises(ReadError, match="no complete web page"):
            read_document(b"no page in here", name=name)


@pytest.mark.parametrize(
    "page",
    ["<div>" * 50_000 + "deep", "<b>" * 20_000 + "bold", "<table><tr><td>" * 3_000 + "cell",
     "<p hidden>x" * 20_000 + "<p>end", "<a href=x>" * 20_000 + "link", "<ul><li>" * 5_000 + "item"],  # noqa: E501
    ids=["div", "b", "table", "hidden", "a", "ul"],
)  # fmt: skip
def test_hostile_nesting_ends_in_seconds(page):
    begin = time.monotonic()
    try:
        read(page)
    except ReadError as error:
        assert "There is no text" in str(error)
    assert time.monotonic() - begin < 5


def test_no_address_of_an_image_reaches_the_text():
    document = read("<p>![x](kept as text)</p><img src='http://127.0.0.1/leak.png' alt='the leaf'>")
    assert "leak.png" not in document.text
