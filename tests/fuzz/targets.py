"""What can be fuzzed, by name."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.bundle_target import BundleTarget
from tests.fuzz.engine import Target
from tests.fuzz.upload_target import UploadTarget

CORPUS = Path(__file__).parent / "corpus"
TARGETS: dict[str, Target] = {target.name: target for target in (BundleTarget(), UploadTarget())}
