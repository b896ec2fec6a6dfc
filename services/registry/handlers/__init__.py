"""What the registry does when something happens: load, decide, record."""

from services.registry.handlers.alike import look_for_duplicates
from services.registry.handlers.duplicates import Decision, decide
from services.registry.handlers.freshness import confirm, look_at_calendar
from services.registry.handlers.imports import (
    Ordered,
    TooManyOpen,
    add_import,
    commit_import,
    go_on_with_import,
)
from services.registry.handlers.intake import Outcome, judge, receipt_of, take_in, try_out
from services.registry.handlers.organisations import (
    NewKey,
    add_https_key,
    add_mandate,
    add_member,
    add_nats_key,
    add_organisation,
    add_region,
    add_shipped_regions,
    change_status,
    drop_mandate,
    drop_member,
    revoke_key,
    sign_in,
)

__all__ = [
    "Decision",
    "NewKey",
    "Ordered",
    "Outcome",
    "TooManyOpen",
    "add_https_key",
    "add_import",
    "add_mandate",
    "add_member",
    "add_nats_key",
    "add_organisation",
    "add_region",
    "add_shipped_regions",
    "change_status",
    "commit_import",
    "confirm",
    "decide",
    "drop_mandate",
    "drop_member",
    "go_on_with_import",
    "judge",
    "look_at_calendar",
    "look_for_duplicates",
    "receipt_of",
    "revoke_key",
    "sign_in",
    "take_in",
    "try_out",
]
