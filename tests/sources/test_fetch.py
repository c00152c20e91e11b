from __future__ import annotations

import socket
import time

import httpx
import pytest

from localchat.core.errors import FetchError, ReadError
from localchat.sources.fetch import fetch
from localchat.sources.read import read_document

LIMIT = 2_000_000


def get(address: str, seconds: float = 5, client: httpx.Client | None = None):
    return fetch(address, seconds=seconds, limit_bytes=LIMIT, client=client)


def test_a_page_comes_with_its_type_encoding_and_name(server):
    fetched = get(f"{server.base}/page#part")
    assert fetched.address == fetched.final_address == f"{server.base}/page"
    assert (fetched.media_type, fetched.charset, fetched.file_name) == (
        "text/html",
        "utf-8",
        "page",
    )
    assert b"Green tea" in fetched.content


def test_we_say_who_we_are_and_nothing_about_the_reader(server):
    get(f"{server.base}/page")  # sets a cookie
    get(f"{server.base}/hop/2")  # and another at each hop
    for _, headers in server.requests:
        assert headers["User-Agent"] == "LocalChat/0.1"
        assert not {"Cookie", "Referer", "Authorization"} & set(headers)


def test_redirects_are_followed_and_the_last_address_is_told(server):
    fetched = get(f"{server.base}/hop/9")  # and one more to the page
    assert fetched.address == f"{server.base}/hop/9"
    assert fetched.final_address == f"{server.base}/page"


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("status/401", 401, "wants a login for this page, or refuses programs"),
        ("status/403", 403, "Save the page in your browser and drop the file here."),
        ("challenge", 403, "checks whether its visitor is a person"),
        ("status/404", 404, "has no page at this address"),
        ("status/410", 410, "Check the address"),
        ("status/418", 418, "did not give the page (HTTP 418)"),
        ("status/429", 429, "asked too often"),
        ("status/500", 500, "has a problem of its own (HTTP 500)"),
        ("status/503", 503, "Try again later"),
        ("status/304", 304, "did not give the page"),
        ("empty", 200, "an empty page"),
        ("status/204", 204, "an empty page"),
        ("loop", None, "redirected more than 10 times"),
        ("hop/11", None, "redirected more than 10 times"),
        ("to/file:///etc/passwd", None, "it redirected to “file:///etc/passwd”"),
        ("to/javascript:alert(1)", None, "redirected to something that is no address"),
        ("to/http://%5Bbroken", None, "it redirected to “http://%5Bbroken”"),
        ("big", None, "it has 3 MB, and the limit is 2 MB"),
        ("stream", None, "it has more, and the limit is 2 MB"),
        ("bomb", None, "it has more, and the limit is 2 MB"),
        ("twice", None, "compressed in a way that was not asked for (gzip, gzip)"),
        ("damaged", None, "damaged on the way"),
        ("cut", None, "broke off before the page was complete"),
        ("as/image/png", None, "an image (image/png)"),
        ("as/video/mp4", None, "a video (video/mp4)"),
        ("as/application/zip", None, "a zip archive (application/zip)"),
        ("as/application/octet-stream", None, "(application/octet-stream)"),
        ("as/image/svg+xml", None, "an image (image/svg+xml)"),
        ("untyped/thing", None, "(of unknown type)"),
    ],
)
def test_each_failure_is_a_sentence_with_a_next_step(server, path, status, said):
    with pytest.raises(FetchError) as caught:
        get(f"{server.base}/{path}")
    assert said in str(caught.value)
    assert caught.value.status == status
    assert caught.value.next_step.endswith(".")
    assert caught.value.origin == f"{server.base}/{path}"


@pytest.mark.parametrize("path", ["drip", "driphead", "silent"])
def test_the_deadline_is_for_the_whole_request(server, path):
    begin = time.monotonic()
    with pytest.raises(FetchError, match=r"did not deliver the page within 0\.4 seconds"):
        get(f"{server.base}/{path}", seconds=0.4)
    assert time.monotonic() - begin < 2


def test_a_port_where_nothing_answers_is_told(server):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(FetchError, match="refused the connection: nothing answers there"):
        get(f"http://127.0.0.1:{port}/")


def test_plain_http_behind_https_is_told(server):
    with pytest.raises(FetchError, match="No secure connection"):
        get(server.base.replace("http:", "https:"))


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (socket.gaierror(-2, "Name or service not known"), "There is no site named example.org"),
        (OSError(101, "Network is unreachable"), "could not be reached"),
    ],
)
def test_failures_of_the_network_are_told(cause, said):
    def no_network(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(str(cause), request=request) from cause

    with (
        httpx.Client(transport=httpx.MockTransport(no_network)) as client,
        pytest.raises(FetchError, match=said),
    ):
        get("https://example.org/", client=client)


def test_an_untrusted_certificate_is_told():
    import ssl

    def untrusted(request: httpx.Request) -> httpx.Response:
        reason = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired"
        raise httpx.ConnectError(reason, request=request) from ssl.SSLError(reason)

    with (
        httpx.Client(transport=httpx.MockTransport(untrusted)) as client,
        pytest.raises(FetchError, match="its certificate is not valid"),
    ):
        get("https://example.org/", client=client)


@pytest.mark.parametrize("inside", ["http://127.0.0.1/admin", "http://localhost:8501/",
                                    "http://192.168.1.1/", "http://[::1]/"])  # fmt: skip
def test_a_page_of_the_web_cannot_send_us_into_the_local_network(inside):
    asked = []

    def redirect(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(302, headers={"Location": inside})

    with (
        httpx.Client(transport=httpx.MockTransport(redirect)) as client,
        pytest.raises(FetchError, match="inside this computer or network"),
    ):
        get("https://example.org/", client=client)
    assert asked == ["https://example.org/"]


def test_cookies_and_headers_of_a_given_client_stay_at_home():
    seen = []

    def page(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(200, text="Tea.", headers={"Content-Type": "text/plain"})

    with httpx.Client(
        transport=httpx.MockTransport(page), cookies={"a": "b"}, headers={"Referer": "x"}
    ) as client:
        assert get("https://example.org/", client=client).content == b"Tea."
    assert "cookie" not in seen[0]
    assert "referer" not in seen[0]


def test_a_socks_proxy_without_its_package_is_told(server, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks9://127.0.0.1:1")
    with pytest.raises(FetchError, match="proxy"):
        get("https://example.org/")


def test_this_computer_is_not_asked_through_a_proxy(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert b"Green tea" in get(f"{server.base}/page").content


def test_compressed_pages_are_unpacked(server):
    assert b"Green tea" in get(f"{server.base}/gzip").content


def test_markdown_without_a_media_type_is_taken(server):
    assert get(f"{server.base}/untyped/notes.md").file_name == "notes.md"


def test_the_name_given_by_the_server_is_used_without_its_folders(server):
    assert get(f"{server.base}/named").file_name == "茶 notes.txt"


def test_a_declared_encoding_reaches_the_reader(server):
    fetched = get(f"{server.base}/gbk")
    document = read_document(
        fetched.content, name=fetched.file_name, media_type=fetched.media_type,
        charset=fetched.charset, address=fetched.final_address,
    )  # fmt: skip
    assert (document.title, document.text) == ("茶", "绿茶采摘以后很快就蒸青。")


def test_a_login_page_at_the_end_of_a_redirect_is_told(server):
    fetched = get(f"{server.base}/to//login")
    assert fetched.final_address == f"{server.base}/login"
    with pytest.raises(FetchError, match="This is a login page"):
        read_document(fetched.content, name="login", address=fetched.final_address)
    with pytest.raises(ReadError, match="This is a login page"):
        read_document(fetched.content, name="login.html")
