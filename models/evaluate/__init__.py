"""Measure a network: alone, through the device, on other hospitals' records, spoiled, timed."""

from models.evaluate.outputs import int8_logits
from models.evaluate.quick import measure, scores
from models.evaluate.targets import BUNDLE

__all__ = ["BUNDLE", "int8_logits", "measure", "scores"]
