"""The screen's catalogues: ``python -m tools.catalogue`` finds its words and compiles them.

    device/locale/LANGUAGE/LC_MESSAGES/lead12.po   translated by hand; new words are added empty
    device/locale/LANGUAGE/LC_MESSAGES/lead12.mo   what the device reads

Needs babel, of the [dev] extra. Exit code 1 when words are not translated yet.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from device import choices, faults
from device.bundles import read_bundle
from device.display import words
from device.display.language import DOMAIN, LOCALE, TEMPLATES
from device.display.state import FAILED
from firmware.events import LEADS, LeadFault

_ROOT = Path(__file__).parents[1]
_SPOKEN = "device"  # where tr("…") is said
_TEXTS = ("firmware/call.py", "firmware/alarm_conditions.py", "firmware/swaps.py",
          "firmware/st_level.py", "device/instrument.py", "device/monitor.py")  # fmt: skip
_MADE = ("Condition", "Finding")  # (code, text, act, …)
_NAMED = ("text", "act", "ACT")
# Of the health page. What is said of them is the technician's log, in English everywhere.
_PARTS = ("front end", "samples", "filters", "model", "serial", "storage", "display", "board",
          "battery", "uptime", "buttons", "indicators")  # fmt: skip
_WIRES = ("WIRES", "LIMB WIRES", "CHEST WIRES", "ARMS/LEGS")  # of firmware/swaps.py, as {names}


def messages() -> set[str]:
    """Every English word and sentence that the screen may ask for."""
    found = {*TEMPLATES, *_PARTS, *_WIRES, FAILED}
    for path in sorted((_ROOT / _SPOKEN).glob("**/*.py")):
        found |= set(_said(ast.parse(path.read_text(encoding="utf-8"))))
    for name in _TEXTS:
        found |= set(_made(ast.parse((_ROOT / name).read_text(encoding="utf-8"))))
    found |= set(words.PLACES.values()) | {words.PRESS_ON, "very likely", "likely", "possible"}
    found |= {colour for code in words.ELECTRODES.values() for _, colour in code.values()}
    found |= {str(fault).upper() for fault in LeadFault}
    for name, values in choices.CHOICES.values():
        found |= {name, *values.values()}
    for _, text, act, _ in faults.ALARMS.values():
        found |= {text, act}
    bundle = read_bundle()
    call = next(group for group in bundle.groups if group.name == bundle.call_group)
    found |= set(call.texts.values())
    for rule in bundle.findings:
        found |= {rule.text, rule.act}
    return found - {"", *LEADS}


def _said(tree: ast.AST) -> Iterator[str]:
    """Constants given to ``tr`` or ``….tr``."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else None
        name = node.func.id if isinstance(node.func, ast.Name) else name
        if name == "tr":
            yield from _constants(node.args[0])


def _made(tree: ast.AST) -> Iterator[str]:
    """Texts and acts of refusals, conditions and findings; f-strings are among TEMPLATES."""
    for node in ast.walk(tree):
        match node:
            case ast.Tuple(elts=[ast.Attribute(value=ast.Name(id="Refusal")), text, act]):
                yield from (*_constants(text), *_constants(act))
            case ast.Call(func=ast.Name(id=made), args=[_, text, act, *_]) if made in _MADE:
                yield from (*_constants(text), *_constants(act))
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in _NAMED:
                yield from _constants(value)
            case ast.Assign(targets=[ast.Attribute(attr="message")], value=ast.Tuple(elts=elts)):
                for element in elts:
                    yield from _constants(element)


def _constants(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=one, orelse=other):
            yield from (*_constants(one), *_constants(other))


def update(folder: Path) -> tuple[bytes, bytes, list[str]]:
    """``.po`` and ``.mo`` of the catalogue in ``folder``, and what is not translated in it."""
    code = folder.parent.name
    with (folder / f"{DOMAIN}.po").open("rb") as file:
        before = read_po(file, locale=code, domain=DOMAIN)
    after = Catalog(locale=code, domain=DOMAIN, project="Lead12", version="", fuzzy=False)
    after.msgid_bugs_address = after.last_translator = ""
    after.header_comment = "# The words of Lead12's screen."
    after.creation_date = after.revision_date = before.revision_date
    for text in sorted(messages()):
        known = before.get(text)
        after.add(text, known.string if known else "")
    left = [str(message.id) for message in after if message.id and not message.string]
    po, mo = BytesIO(), BytesIO()
    write_po(po, after, omit_header=False, sort_output=True, width=100)
    write_mo(mo, after)
    return po.getvalue(), mo.getvalue(), left


def main() -> int:
    """Write every catalogue; 1 if one of them has words left."""
    failed = False
    for path in sorted(LOCALE.glob(f"*/LC_MESSAGES/{DOMAIN}.po")):
        po, mo, left = update(path.parent)
        path.write_bytes(po)
        path.with_suffix(".mo").write_bytes(mo)
        for text in left:
            print(f"{path}: not translated: {text!r}", file=sys.stderr)
        failed |= bool(left)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
