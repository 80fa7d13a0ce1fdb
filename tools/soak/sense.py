"""Whether what the monitor says makes sense: in calm stretches, and of what it counts."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any

from hal.frontend import SAMPLE_RATE_HZ
from tools.soak.account import Account
from tools.soak.plan import HOUR_S, Act

# What must be told of a fault that lasts; "electrodes" of the one that is off.
TOLD = {
    "disk_full": "storage",
    "disk_read_only": "storage",
    "wrong_id": "frontend",
    "miso_stuck": "frontend",
    "drdy_stops": "frontend",
    "electrode_off": "electrodes",
}
LASTS_S = 10.0
CALM_S = 30.0  # nothing planted for so long, and no other person on the electrodes
START_S = 40.0  # after the start of an hour, when another person lies there
RATE_BPM = (65.0, 75.0)
NEVER = ("analysis", "model")  # parts in which nothing is planted
HEALTH_S = 12.0  # between two health messages


def calm(now_s: float, acts: Sequence[Act], start_s: float = START_S) -> bool:
    """Whether nothing planted may be felt in what is said now."""
    if now_s % HOUR_S < start_s:
        return False
    return not any(act.at_s - 0.5 <= now_s and now_s <= act.over_s + CALM_S for act in acts)


class Sense:
    """Hears every message of the line; ``start_s`` of each hour are not held to make sense."""

    def __init__(self, start_s: float = START_S) -> None:
        self._start_s = start_s
        self._results = self._sane = self._dropped = self._unheld = 0
        self._dropped_said = 0
        self._last_index: int | None = None
        self._heard_s = self._health_s = 0.0
        self._begun = False
        self._told: deque[tuple[float, str]] = deque(maxlen=1000)  # when, and of what
        self._ages: Counter[int] = Counter()  # of a result's last sample, ms

    def take(self) -> tuple[int, int, int, int, dict[int, int]]:
        """Since the last: results, of these checked for sense, and not held to make any because
        the machine lost samples; messages dropped; ages in ms.
        """
        taken = self._results, self._sane, self._unheld, self._dropped, dict(self._ages)
        self._results = self._sane = self._unheld = self._dropped = 0
        self._ages.clear()
        return taken

    def restarted(self) -> None:
        """Another monitor: it counts anew."""
        self._dropped_said, self._last_index = 0, None

    def hear(
        self, message: dict[str, Any], now_s: float, acts: Sequence[Act], account: Account
    ) -> Iterator[str]:
        """What is wrong with it."""
        quiet = calm(now_s, acts, self._start_s)
        if quiet and account.restarted(now_s):
            self._unheld += message["type"] == "result"
            quiet = False
        match message["type"]:
            case "result":
                self._results += 1
                self._ages[account.age_ms(message["index"], now_s)] += 1
                yield from self._result(message, quiet)
                self._last_index, self._heard_s, self._begun = message["index"], now_s, True
            case "event" if message["event"] == "electrodes":
                self._told.extend((now_s, name) for name in message["off"])
            case "event" if message["event"] == "fault" and message["text"]:
                self._told.append((now_s, message["part"]))
                if message["part"] in NEVER:
                    yield f"{message['part']}: {message['text']}"
            case "health":
                self._health_s = now_s
                dropped = message["serial"]["dropped"]
                self._dropped += max(dropped - self._dropped_said, 0)
                self._dropped_said = dropped
                if message["ring"] is not None:
                    yield from account.hear(message["ring"], message["index"])
                if quiet and message["faults"]:
                    yield f"a fault stands though nothing is planted: {message['faults']}"

    def _result(self, message: dict[str, Any], quiet: bool) -> Iterator[str]:
        if not quiet:
            return
        self._sane += 1
        rate, said = message["rate_bpm"], message["text"]
        if message["call"] != "SR":
            yield f"sinus rhythm is called {message['call']}: {said} ({message['refusal']})"
        if rate is None or not RATE_BPM[0] <= rate <= RATE_BPM[1]:
            yield f"a rate of 70 is said to be {rate}"
        if message["electrodes_off"]:
            yield f"electrodes {message['electrodes_off']} are said to be off"
        if self._last_index is not None:
            step = message["index"] - self._last_index
            if step != SAMPLE_RATE_HZ:
                yield f"a result comes {step} samples after the one before"

    def silence(self, now_s: float, acts: Sequence[Act]) -> Iterator[str]:
        """Whether results or health are missing."""
        if not self._begun or not calm(now_s, acts, self._start_s):
            return
        for what, heard_s, longest_s in (
            ("result", self._heard_s, 3.0),
            ("health", self._health_s, HEALTH_S),
        ):
            if now_s - heard_s > longest_s:
                yield f"no {what} for {now_s - heard_s:.1f} s"
                self._heard_s = self._health_s = now_s

    def mended(self, act: Act, now_s: float) -> None:
        """The monitor needs to say nothing of ``act``: it has put it right."""
        self._told.append((now_s, TOLD[act.name]))

    def untold(self, act: Act, acts: Sequence[Act]) -> str:
        """Whether the monitor said nothing of ``act``, which is over; "" if nothing need be said.

        Nor of one that met another: a monitor that stood still has not seen it.
        """
        part = TOLD.get(act.name, "")
        met = any(a is not act and a.at_s < act.over_s and act.at_s < a.over_s for a in acts)
        if not part or act.seconds < LASTS_S or met:
            return ""
        name = act.value.name if part == "electrodes" else part
        if any(what == name and act.at_s <= at_s <= act.over_s for at_s, what in self._told):
            return ""
        return f"nothing was said of {act}"
