"""An embeddable security monitor with a provable audit trail."""

from ._secmon import (
    Ruleset,
    SecmonError,
    Store,
    Writer,
    check_proof,
    parse,
    scan,
    verify,
    verify_export,
)

__all__ = [
    "Ruleset",
    "SecmonError",
    "Store",
    "Writer",
    "check_proof",
    "parse",
    "scan",
    "verify",
    "verify_export",
]
