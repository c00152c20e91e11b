"""Pages that come as an empty shell: their text is built by JavaScript, or stands behind a door.

Taken in as they are, they would fill the library with "Just a moment…". Each sign alone is
harmless on a page with text, so nothing here speaks when there is text enough.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localchat.core.errors import FetchError, ReadError
from localchat.sources.cleaning import weight

if TYPE_CHECKING:
    from bs4 import BeautifulSoup

SAVE_AND_DROP = "Open it in your browser, save the page, and drop the file here."

_LITTLE = 250
_SHORT = 1_500
_CHALLENGE_TITLE = re.compile(
    r"just a moment|checking your browser|attention required|one moment, please|verify you are|"
    r"are you a robot|access denied|ddos.guard|security check|captcha|请稍候|安全验证|人机验证",
    re.IGNORECASE,
)
_CHALLENGE_MARK = re.compile(
    r"_cf_chl_opt|challenge-platform|cf-browser-verification|cf-challenge|jschl|ddos-guard|"
    r"captcha-delivery|px-captcha|awswafcookie|/_incapsula_",
    re.IGNORECASE,
)
_WANTS_SCRIPTS = re.compile(
    r"(?:enable|requires?|needs?|turn on|activate|without|support)\W+(?:\w+\W+){0,4}javascript|"
    r"javascript\W+(?:\w+\W+){0,4}(?:required|disabled|enabled?|not available)|"
    r"(?:启用|開啟|开启|啟用|打开)\s*javascript|javascript\s*を有効",
    re.IGNORECASE,
)
_LOGIN_WORDS = re.compile(
    r"log.?in|sign.?in|authenticat|登录|登入|登錄|ログイン|로그인|anmelden|connexion|вход|"
    r"iniciar sesi",
    re.IGNORECASE,
)
_MOUNTS = {"root", "app", "__next", "__nuxt", "q-app", "svelte", "main", "react-root", "gatsby"}
_REFRESH = re.compile(r"url\s*=\s*[\"']?([^\"'>]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Signs:
    """What is known of a page before its scripts are taken out."""

    title: str
    scripts: int
    asks_for_scripts: bool
    empty_mount: bool
    challenge: bool
    password: bool
    sends_to: str | None


def read_signs(soup: BeautifulSoup) -> Signs:
    scripts = soup.find_all("script")
    sources = " ".join(
        f"{script.get('src') or ''} {script.get_text()[:5000]}" for script in scripts
    )
    unscripted = " ".join(tag.get_text(" ") for tag in soup.find_all("noscript"))
    refresh = soup.find("meta", attrs={"http-equiv": re.compile("^refresh$", re.IGNORECASE)})
    target = _REFRESH.search(str(refresh.get("content") or "")) if refresh is not None else None
    return Signs(
        title=soup.title.get_text(" ", strip=True) if soup.title is not None else "",
        scripts=len(scripts),
        asks_for_scripts=_WANTS_SCRIPTS.search(unscripted) is not None,
        empty_mount=any(
            not tag.get_text(strip=True)
            for tag in soup.find_all(["div", "main"], id=True)
            if str(tag["id"]).lower() in _MOUNTS
        ),
        challenge=_CHALLENGE_MARK.search(sources) is not None,
        password=soup.find("input", attrs={"type": re.compile("^password$", re.I)}) is not None,
        sends_to=target.group(1).strip() if target else None,
    )


def refuse_shell(signs: Signs, text: str, *, origin: str, from_web: bool) -> None:
    """Raises when the page holds no text of its own; ``from_web`` chooses the advice."""
    found = _what_it_is(signs, text)
    if found is None:
        return
    if from_web:
        raise FetchError(origin, *found)
    raise ReadError(
        origin,
        found[0],
        "If your browser shows text there, wait until the page is complete, save it again "
        "(“Web page, complete”), and drop that file here.",
    )


def _what_it_is(signs: Signs, text: str) -> tuple[str, str] | None:
    says = weight(text)
    little = says < _LITTLE
    if says < _SHORT and (
        (_CHALLENGE_TITLE.search(signs.title) and (signs.scripts or little))
        or (signs.challenge and little)
    ):
        return (
            "This site checks whether its visitor is a person, and does not show the page to a "
            "program.",
            SAVE_AND_DROP,
        )
    if signs.password and (little or (says < 4 * _LITTLE and _LOGIN_WORDS.search(signs.title))):
        return (
            "This is a login page: the site shows the page only to people who are logged in.",
            "Log in with your browser, open the page, save it, and drop the file here.",
        )
    wants = signs.asks_for_scripts or _WANTS_SCRIPTS.search(text) is not None
    if signs.scripts and little and (wants or signs.empty_mount or not says):
        return (
            "This page builds itself with JavaScript, so it came without its text.",
            SAVE_AND_DROP,
        )
    if signs.sends_to and little:
        return (
            f"This page only sends its visitors on to {signs.sends_to}.",
            "Add the address where the browser ends up.",
        )
    return None
