"""What holds for every page in a browser: no complaint, no sideways scrolling, one heading, a title of its form, nothing that axe-core finds."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, ViewportSize

WIDTHS = (320, 390, 1280)
PHONE, DESKTOP = ViewportSize(width=390, height=800), ViewportSize(width=1280, height=800)
Theme = Literal["light", "dark"]
_AXE = Path(__file__).parents[1] / "node" / "node_modules" / "axe-core" / "axe.min.js"
_TITLE = re.compile(r"^(Error: )?[^·]+( · [^·]+)* · Jaffle Analytics$|^(Error: )?[^·]+ · Grantbook$")
_VIOLATED = "document.addEventListener('securitypolicyviolation', e => (window.__csp ??= []).push(e.violatedDirective + ' ' + e.blockedURI))"
_OF_THEME_AND_SIZE = ["color-contrast", "target-size", "link-in-text-block", "scrollable-region-focusable"]
_FOUND = """async rules => {
  const found = await axe.run(document, {resultTypes: ['violations'], ...(rules ? {runOnly: rules} : {})});
  return found.violations.map(v => v.id + ' (' + v.impact + '): ' + v.nodes.slice(0, 3).map(n => n.target.join(' ')).join(' | '));
}"""
_WIDE = """() => {
  const wide = document.documentElement.scrollWidth, room = document.documentElement.clientWidth;
  if (wide <= room) return '';
  const over = [...document.querySelectorAll('main *, header *, footer *')].filter(e => e.getBoundingClientRect().right > room + 1);
  return wide + ' px: ' + over.slice(0, 3).map(e => e.tagName.toLowerCase() + '.' + e.className).join(' | ');
}"""
_FACTS = """() => ({
  headings: document.querySelectorAll('h1').length, title: document.title, language: document.documentElement.lang, violated: window.__csp ?? [],
  cells: [...document.querySelectorAll('table:has(thead) tbody td:not([data-label], [colspan])')]
    .map(cell => cell.className).filter(name => !/lead|act|mark/.test(name)),
})"""
_FOCUS = """() => {
  const here = document.activeElement, style = getComputedStyle(here), shown = here.labels?.[0] ? getComputedStyle(here.labels[0]) : style;
  const outlined = s => s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2;
  return here !== document.body && (outlined(style) || outlined(shown));
}"""


@cache
def axe() -> str:
    return _AXE.read_text()


class Walker:
    """One browser context of one person; collects what is wrong with the pages it looks at."""

    def __init__(self, browser: Browser, *, scripts: bool = True) -> None:
        self.context: BrowserContext = browser.new_context(viewport=DESKTOP, java_script_enabled=scripts, reduced_motion="reduce")
        self.context.add_init_script(_VIOLATED)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self._said.append(str(error)))
        self._said: list[str] = []
        self.problems: list[str] = []

    def _note(self, message: ConsoleMessage) -> None:
        # A page about an error is itself an answer with that status, which Chromium notes.
        if message.type == "error" and not message.text.startswith("Failed to load resource: the server responded with a status of 4"):
            self._said.append(message.text)

    def sign_in(self, base_url: str, user: tuple[str, str]) -> None:
        self.page.goto(f"{base_url}/sign-in")
        self.page.fill("#email", user[0])
        self.page.fill("#password", user[1])
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(lambda url: "/sign-in" not in url)

    def look_at_all(self, base_url: str, paths: Sequence[str]) -> None:
        """Each page at every width, in both themes. All rules of axe in one theme at the desktop's width, in turn; in the other those on colours and
        sizes on the phone."""
        for number, path in enumerate(paths):
            whole: Theme = "light" if number % 2 == 0 else "dark"
            with self._opened(base_url + path, whole) as wrong:
                self.page.evaluate(axe())
                wrong += [f"axe, {whole}: {words}" for words in self.page.evaluate(_FOUND, None)]
                self.page.set_viewport_size(PHONE)
                self.page.emulate_media(color_scheme="dark" if whole == "light" else "light")
                wrong += [f"axe, phone: {words}" for words in self.page.evaluate(_FOUND, _OF_THEME_AND_SIZE)]

    def glance_at_all(self, base_url: str, paths: Sequence[str]) -> None:
        """The same without axe: what holds of the layout."""
        for path in paths:
            with self._opened(base_url + path, "light"):
                pass

    @contextlib.contextmanager
    def _opened(self, url: str, theme: Theme) -> Iterator[list[str]]:
        self._said.clear()
        self.page.emulate_media(color_scheme=theme)
        answer = self.page.goto(url, wait_until="load")
        wrong = [f"{width} px wide: {words}" for width in WIDTHS if (words := self._too_wide(width))]
        facts: dict[str, Any] = self.page.evaluate(_FACTS)
        if answer is None or answer.status >= 500:
            wrong.append("no answer")
        if facts["headings"] != 1:
            wrong.append(f"{facts['headings']} h1")
        if not _TITLE.match(facts["title"]):
            wrong.append(f"title {facts['title']!r}")
        if facts["language"] != "en":
            wrong.append("no language")
        wrong += [f"cell without data-label: {name!r}" for name in facts["cells"][:2]]
        wrong += [f"policy: {words}" for words in facts["violated"]]
        yield wrong
        wrong += [f"console: {words}" for words in self._said]
        self.problems += [f"/{url.split('/', 3)[-1]}: {words}" for words in wrong]

    def _too_wide(self, width: int) -> str:
        self.page.set_viewport_size({"width": width, "height": 800})
        return str(self.page.evaluate(_WIDE))

    def close(self) -> None:
        self.context.close()


def tab_to(page: Page, wanted: Locator, *, most: int = 150) -> None:
    """Go there by the keyboard alone, with the focus visible at each step."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if not page.evaluate(_FOCUS):
            where = page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
            raise AssertionError(f"the focus is not visible at {where}")
        if wanted.evaluate("e => e === document.activeElement"):
            return
    raise AssertionError(f"{wanted} can't be reached by Tab")


def focused(wanted: Locator) -> bool:
    return bool(wanted.evaluate("e => e === document.activeElement"))
