"""What belongs to the page, without what belongs to the site around it.

The rule is to keep too much rather than too little: whatever is taken out for its name or looks
must hold only a small share of the page's text. A cookie banner does; an article inside an
element of the class "sidebar-layout", or a page that is wholly a form, does not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bs4 import BeautifulSoup, Tag

    _Test = Callable[[Tag], bool]

_SMALL_SHARE = 0.35
_WITHOUT_TEXT = [
    "script", "style", "template", "noscript", "svg", "canvas", "iframe", "object", "embed",
    "audio", "video", "map", "button", "select", "input", "textarea", "datalist", "dialog", "rt",
    "rp", "link", "meta", "head",
]  # fmt: skip
_SITE_TAGS = {"nav", "aside", "footer", "header", "form"}
_SITE_ROLES = {
    "navigation", "banner", "contentinfo", "search", "dialog", "alertdialog", "menu", "menubar",
    "toolbar", "tablist", "complementary",
}  # fmt: skip
# Whole words of a class or id; "share-buttons" has the words "share" and "buttons".
_SITE_WORDS = re.compile(
    r"(?<![a-z])(?:cookies?|consent|gdpr|share|sharing|shares|sharedaddy|addtoany|social|"
    r"breadcrumbs?|sidebar|related|newsletter|subscribe|subscription|adverts?|ads|advertisement|"
    r"sponsored|popup|modal|overlay|pagination|paginav|pager|prev-next|skip-link|skip-to|"
    r"skiplink|editsection|navbox|noprint|printfooter|catlinks|jump-link|back-to-top|top-link|"
    r"navbar|navigation|masthead|site-header|site-footer|global-header|global-footer|"
    r"post-tags|copy-code|copybtn|toolbar|promo|paywall-banner|vector-toc|mw-indicators|"
    r"linenos|linenumbers|lineno|lnt|gutter|headerlink|screen-reader-text|visually-hidden|sr-only)"
    r"(?![a-z])"
)
_CONTENTS_WORDS = re.compile(
    r"(?<![a-z])(?:toc|table-of-contents|tableofcontents|contents)(?![a-z])"
)
_KEPT_WORDS = re.compile(
    r"footnote|reference|bibliograph|endnote|citation|note\b|admonition|callout"
)
_INVISIBLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_PERMALINK_WORDS = re.compile(
    r"(?:permalink|link|anchor|direct link|copy link|link to this (?:heading|section|definition))"
    r"(?: (?:to|for) .*)?",
    re.IGNORECASE,
)
_HEADINGS = ["h1", "h2", "h3", "h4", "h5", "h6"]
_TEX = "application/x-tex"


def main_content(soup: BeautifulSoup) -> Tag:
    """The element that holds what the page says. Changes ``soup``."""
    _keep_formulas(soup)
    for tag in soup.find_all(_WITHOUT_TEXT):
        tag.decompose()
    _take_permalinks(soup)
    body: Tag = soup.body or soup
    _take_out(body, _is_hidden)
    root = _choose(body)
    _take_out(root, _is_contents)
    _take_out(root, _is_site_part if root is body else _is_site_part_in_main)
    return root


def _choose(body: Tag) -> Tag:
    """The narrowest of article, main and body that still holds most of the text."""
    whole = _length(body)
    root = body
    mains = [tag for tag in body.find_all(True) if tag.name == "main" or _role(tag) == "main"]
    if mains:
        best = max(mains, key=_length)
        if _length(best) >= min(200, 0.3 * whole):
            root = best
    articles = [tag for tag in root.find_all("article") if tag.find_parent("article") is None]
    if articles:
        best = max(articles, key=_length)
        if _length(best) >= 0.6 * _length(root):
            root = best
    return root


def _take_out(root: Tag, unwanted: _Test) -> None:
    """Removes each unwanted element that holds only a small share of the text."""
    whole = _length(root)
    for tag in root.find_all(True):
        if not _gone(tag) and unwanted(tag) and _length(tag) <= max(40, _SMALL_SHARE * whole):
            tag.decompose()


def _is_hidden(tag: Tag) -> bool:
    hidden = tag.get("hidden")
    return (
        (hidden is not None and hidden != "until-found")
        or tag.get("aria-hidden") == "true"
        or _INVISIBLE.search(str(tag.get("style") or "")) is not None
    )


def _is_contents(tag: Tag) -> bool:
    """A table of contents: named so, and nearly all of it is links."""
    if tag.name in _HEADINGS or not _CONTENTS_WORDS.search(_names(tag)):
        return False
    linked = sum(_length(link) for link in tag.find_all("a"))
    return linked >= 0.6 * _length(tag)


def _is_site_part_in_main(tag: Tag) -> bool:
    """Inside the main content a header is the article's own, and an aside may be a note in it."""
    if tag.name == "header" or _role(tag) in {"banner", "complementary"}:
        return False
    if tag.name == "aside" and not _SITE_WORDS.search(_names(tag)):
        return False
    return _is_site_part(tag)


def _is_site_part(tag: Tag) -> bool:
    """By tag, role or name; but not what holds the article, and not footnotes or code."""
    names, role = _names(tag), _role(tag)
    named_so = _SITE_WORDS.search(names) is not None
    if not (named_so or tag.name in _SITE_TAGS or role in _SITE_ROLES):
        return False
    if tag.name in _HEADINGS or tag.name in {"pre", "code", "p", "tr", "table", "body"}:
        return False
    if _KEPT_WORDS.search(names) or role.startswith("doc-"):
        return tag.name == "nav"
    if tag.name == "footer" and tag.find_parent("blockquote") is not None:
        return False
    return tag.find(["article", "main", "h1"]) is None


def _take_permalinks(soup: BeautifulSoup) -> None:
    """The "#" or "¶" behind a heading goes; where it leads stays, as the heading's id."""
    for heading in soup.find_all(_HEADINGS):
        for link in heading.find_all("a"):
            target = str(link.get("href") or "")
            if target.startswith("#") and len(target) > 1 and not heading.get("id"):
                heading["id"] = target[1:]
            text = link.get_text(strip=True)
            if not any(map(str.isalnum, text)) or _PERMALINK_WORDS.fullmatch(text):
                if link.get("id") or link.get("name"):
                    heading["id"] = heading.get("id") or link.get("id") or link.get("name") or ""
                link.decompose()


def _keep_formulas(soup: BeautifulSoup) -> None:
    """Formulas that a browser would draw become their TeX source, or the text they are made of."""
    for script in soup.find_all("script", type=re.compile("^math/tex")):
        script.replace_with(f"${script.get_text()}$")
    for formula in soup.find_all("math"):
        if _gone(formula):
            continue
        source = formula.find("annotation", attrs={"encoding": _TEX})
        tex = source.get_text() if source is not None else str(formula.get("alttext") or "")
        text = f"${' '.join(tex.split())}$" if tex.strip() else formula.get_text(" ", strip=True)
        for parent in list(formula.parents)[:2]:
            if "math" in _names(parent) or "katex" in _names(parent):
                del parent["style"], parent["hidden"]  # hidden only from eyes
        formula.replace_with(text)


def _gone(tag: Tag) -> bool:
    """``tag.decomposed``, which in BeautifulSoup 4.15 searches the whole tree below ``tag``."""
    return bool(vars(tag).get("_decomposed"))


def _names(tag: Tag) -> str:
    classes = tag.get("class") or ""
    words = classes if isinstance(classes, str) else " ".join(classes)
    return f"{words} {tag.get('id') or ''}".lower().replace("_", "-")


def _role(tag: Tag) -> str:
    return str(tag.get("role") or "").lower()


def _length(tag: Tag) -> int:
    return sum(len(text.strip()) for text in tag.strings)
