"""A scenario held against its schema, and what is wrong with it in words of people."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

import jsonschema

from tools.hil.fields import suggestion
from tools.hil.positions import Document, Place


@cache
def _validator() -> Any:
    text = resources.files("tools.hil").joinpath("schema", "scenario-v1.json").read_text()
    kind = jsonschema.Draft202012Validator
    whole = kind.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)  # not 1.0
    return jsonschema.validators.extend(kind, type_checker=whole)(json.loads(text))


def check(document: Document) -> None:
    """Raise ScenarioError for what is wrong first in the file: a misspelt key, else by line."""
    errors = list(_validator().iter_errors(document.data))
    if not errors:
        return

    def order(error: Any) -> tuple[bool, tuple[int, int]]:
        """By the line; a misspelt key, which is missing too, first."""
        misspelt = error.validator == "additionalProperties"
        return not misspelt, document.lines.get(tuple(error.absolute_path), (0, 0))

    error = min(errors, key=order)
    while error.context and error.validator == "oneOf":  # shows: one id or several
        is_list = isinstance(error.instance, list)
        error = next(e for e in error.context if e.schema_path[0] == int(is_list))
    place = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        extra = next(key for key in error.instance if key not in known)
        raise document.error((*place, extra), f"unknown key {extra}; {suggestion(extra, known)}")
    raise document.error(place, f"{_name(place)}: {_wrong(error)}")


def _name(place: Place) -> str:
    """As ``patient.rate`` or ``timeline 2, electrode``."""
    words = ""
    for part in place:
        if isinstance(part, int):
            words += f" {part + 1},"
        else:
            words += f" {part}" if words.endswith(",") else f".{part}" if words else part
    return words.rstrip(",") or "the scenario"


def _wrong(error: Any) -> str:
    """What jsonschema found, in words of people."""
    value, limit = json.dumps(error.instance, ensure_ascii=False), error.validator_value
    if len(value) > 60:
        value = f"{value[:57]}..."
    match error.validator:
        case "required":
            missing = [key for key in limit if key not in error.instance]
            return f"{' and '.join(missing)} missing; docs/hil.md shows a scenario"
        case "type":
            words = {
                "object": "keys with values",
                "array": "a list",
                "string": "a word or text",
                "number": "a number",
                "integer": "a whole number",
            }
            quotes = f'; write it as "{value}"' if limit == "string" and value[:1].isdigit() else ""
            return f"must be {words[limit]}, not {value}{quotes}"
        case "enum":
            return f"{value} is not known; {suggestion(str(error.instance), limit)}"
        case "pattern":
            return f"{value} is not of the form {limit}"
        case "minimum" | "exclusiveMinimum":
            return f"must be {'at least' if error.validator == 'minimum' else 'above'} {limit}"
        case "maximum":
            return f"must be at most {limit}, not {value}"
        case "minProperties" | "maxProperties":
            return "one thing happens at a time: 'at' and one other key"
        case "minItems" | "maxItems":
            bound = "at least" if error.validator == "minItems" else "at most"
            return f"must have {bound} {limit} entries"
        case _:
            return f"{error.message}"
