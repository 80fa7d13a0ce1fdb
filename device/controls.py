"""Two buttons, and what they mean on each page.

*Page* steps through the pages; held, it takes a snapshot. *OK* acknowledges alarms, else steps
within the page; held, it pauses the alarms or, among the settings, changes the one shown. Whatever
was left on the screen, it is the live one again a minute later, and at once when an alarm of high
priority begins. Time is the sample index.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hal.frontend import SAMPLE_RATE_HZ

IDLE = 60 * SAMPLE_RATE_HZ  # without a press: back to the live page


class Page(StrEnum):
    """The pages, in the order of the button."""

    LIVE = "live"
    LEADS = "leads"  # 10 s of twelve leads
    WHY = "why"
    TREND = "trend"
    ALARMS = "alarms"
    SETTINGS = "settings"
    HEALTH = "health"


class Button(StrEnum):
    """Left and right of the screen."""

    PAGE = "page"
    OK = "ok"


class Action(StrEnum):
    """What a press asks of the instrument."""

    NONE = "none"  # the page has changed, or its step
    SNAPSHOT = "snapshot"
    SILENCE = "silence"
    PAUSE = "pause"  # or resume, when paused
    LEAD = "lead"  # other leads on the live page, if a trace is shown there
    CHANGE = "change"  # the setting that is shown


_PAGES = tuple(Page)


@dataclass
class Controls:
    """Which page is shown, and which step of it; both change by presses and by time.

    step : counts the presses of OK on this page; each page takes it modulo what it has to show
    since : index of the sample at which the page was chosen; what is frozen, freezes there
    """

    page: Page = Page.LIVE
    step: int = 0
    since: int = 0
    _pressed_at: int = 0

    def press(self, button: Button, *, held: bool, index: int, alarmed: bool) -> Action:
        """One press, at its end. ``alarmed``: there is an alarm that nobody has acknowledged."""
        self._pressed_at = index
        match button, held:
            case Button.PAGE, False:
                self.show(_PAGES[(_PAGES.index(self.page) + 1) % len(_PAGES)], index)
                return Action.NONE
            case Button.PAGE, True:
                self.show(Page.LEADS, index)
                return Action.SNAPSHOT
            case Button.OK, True:
                return Action.CHANGE if self.page is Page.SETTINGS else Action.PAUSE
        if alarmed:
            return Action.SILENCE
        if self.page is Page.LIVE:
            return Action.LEAD
        self.step += 1
        return Action.NONE

    def show(self, page: Page, index: int) -> None:
        """Go to ``page`` and its first step."""
        self.page, self.step, self.since = page, 0, index
        self._pressed_at = index

    def pass_time(self, index: int) -> None:
        """The newest sample is ``index``."""
        if self.page is not Page.LIVE and index - self._pressed_at >= IDLE:
            self.show(Page.LIVE, index)
