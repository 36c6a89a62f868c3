"""Pictures of the console for the documents, made where SCREENSHOTS names a folder."""

from __future__ import annotations

import os

from playwright.sync_api import Page

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


def picture(page: Page, name: str) -> None:
    """Of the page as it is now: in light and dark, and as wide as a phone."""
    folder = os.environ.get("SCREENSHOTS")
    if not folder:
        return
    for kind, size, dark in (("light", DESK, False), ("dark", DESK, True), ("phone", PHONE, False)):
        page.set_viewport_size(size)
        page.evaluate("dark => document.documentElement.classList.toggle('dark', dark)", dark)
        # As high as it is, or what sticks to the foot of a window would lie across the middle. What then comes into
        # view for the first time makes it higher still.
        seen = 0
        while (height := page.evaluate("document.documentElement.scrollHeight")) > seen:
            seen = height
            page.set_viewport_size({"width": size["width"], "height": max(size["height"], height)})
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(500)
        page.screenshot(path=f"{folder}/{name}-{kind}.png", full_page=True, animations="disabled")
