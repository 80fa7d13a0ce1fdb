"""The pages behind the live screen, each drawn by a function of canvas and state.

A page lays itself out by ``canvas.width`` (128 or 256) and ``canvas.height``: while something is
wrong with the patient or the instrument the row at the foot belongs to that, and the canvas is
``screens.FOOT`` rows shorter (52 of 64).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from device.controls import Page
from device.display.canvas import Canvas
from device.display.pages.alarms import draw_alarms
from device.display.pages.health import draw_health
from device.display.pages.leads import draw_leads
from device.display.pages.settings import draw_settings
from device.display.pages.trend import draw_trend
from device.display.pages.why import draw_why
from device.display.state import ScreenState

PAGES: Mapping[Page, Callable[[Canvas, ScreenState], None]] = {
    Page.LEADS: draw_leads,
    Page.WHY: draw_why,
    Page.TREND: draw_trend,
    Page.ALARMS: draw_alarms,
    Page.SETTINGS: draw_settings,
    Page.HEALTH: draw_health,
}
