"""An embeddable security monitor with a provable audit trail."""

from ._secmon import Ruleset, SecmonError, Store, Writer, parse, scan, verify

__all__ = ["Ruleset", "SecmonError", "Store", "Writer", "parse", "scan", "verify"]
