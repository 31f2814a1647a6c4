"""The engine (docs/rules.md), compiled. Outsiders use the one class named here."""

from oms._core.engine import Engine

__all__ = ["Engine"]
