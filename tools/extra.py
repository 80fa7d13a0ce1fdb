"""How the libraries of the [tools] extra come to be installed, in the words of all refusals."""

from __future__ import annotations

HOW = "run: make dev, or pip install 'lead12[tools]'"
