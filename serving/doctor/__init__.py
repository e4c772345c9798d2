"""``lead-serve doctor``: looks at everything once, and says what to do; all findings at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime

from serving.doctor.database import check_age, check_callers, check_database
from serving.doctor.findings import Finding, fault, warn
from serving.doctor.machine import (
    check_access,
    check_address,
    check_clock,
    check_cores,
    check_home,
    check_names,
)
from serving.doctor.models import check_last_good, check_models, check_registry
from serving.errors import StoreUnavailable
from serving.model_life.models import ServingModel
from serving.settings import ServeSettings, SettingsInvalid
from serving.store import Approval, Approvals, Store, open_store
from serving.store.facts import NEWEST, StoreFacts, file_of, read_facts

__all__ = ["Finding", "examine"]

_ZONE = "Asia/Tokyo"
"""The zone of the packaged definition."""


def examine(
    settings: ServeSettings, now: datetime, *, asks_registry: bool = True
) -> Iterator[Finding]:
    """Give every finding, as soon as it is known.

    Parameters
    ----------
    asks_registry : bool
        Whether to ask MLflow, which takes seconds.
    """
    yield from check_names(os.environ)
    yield from check_home(settings)
    facts, approvals, amiss = _ask_store(settings)
    yield from amiss
    if facts is not None:
        yield from check_database(facts)
        if facts.tables == NEWEST:
            yield from check_callers(settings, facts, now)
            yield from check_age(settings, facts, now)
    model: ServingModel | None = None
    is_readable = facts is None or facts.tables in ("", NEWEST)
    if is_readable and not any(finding.level == "fault" for finding in amiss):
        found, model = check_models(settings, approvals)
        yield from found
    yield from check_last_good(settings, model)
    zones = {_ZONE} if model is None else {_ZONE, model.definition.time_zone}
    latest, elsewhere = (None, None) if facts is None else (facts.newest, facts.says_now)
    yield from check_clock(now, latest, elsewhere, sorted(zones))
    yield from check_cores(settings)
    yield from check_access(settings)
    yield from check_address(settings)
    if asks_registry:
        yield from check_registry(settings, approvals)


def _ask_store(
    settings: ServeSettings,
) -> tuple[StoreFacts | None, list[Approval], list[Finding]]:
    store: Store | None = None
    path = file_of(settings.database_address)
    if path is not None and not path.exists():  # looking must not make one
        advice = "lead-serve migrate, or start the service, which does the same."
        return None, [], [warn("tables", "There is no database file yet.", advice)]
    try:
        store = open_store(settings.database_address)
        facts = read_facts(store)
        approvals: list[Approval] = []
        if facts.tables == NEWEST:
            approvals = Approvals(store).newest_first(settings.model_name)
    except (StoreUnavailable, SettingsInvalid) as error:
        advice = "Scoring goes on with what served last; nothing is recorded until it answers."
        return None, [], [fault("database", str(error), advice)]
    except OSError as error:
        told = f"The database's folder cannot be used ({error.strerror or type(error).__name__})."
        return None, [], [fault("database", told, "Check LEAD_HOME and LEAD_DATABASE_URL.")]
    finally:
        if store is not None:
            store.close()
    return facts, approvals, []
