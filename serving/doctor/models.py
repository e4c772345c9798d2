"""The models: what is approved, what would serve, what MLflow proposes."""

from __future__ import annotations

from collections.abc import Sequence

from features.errors import ArtefactRefused, LeadQualityError
from serving.doctor.findings import Finding, fault, fine, warn
from serving.model_life.holder import load_model
from serving.model_life.last_good import LastGood
from serving.model_life.models import ServingModel
from serving.model_life.registry import Registry
from serving.settings import ServeSettings
from serving.store import Approval

__all__ = ["check_last_good", "check_models", "check_registry"]

_APPROVE = 'lead-serve approve champion --why "…"'


def check_models(
    settings: ServeSettings, approvals: Sequence[Approval]
) -> tuple[list[Finding], ServingModel | None]:
    """Load what would serve, as a start would; return the findings and the model."""
    if not approvals:
        told = f"No version of {settings.model_name} is approved, so nothing can be scored."
        return [fault("model", told, f"Approve one: {_APPROVE}")], None
    found = []
    tried = set()
    for approval in approvals:
        key = (approval.digest, approval.manifest_digest)
        if key in tried:
            continue
        tried.add(key)
        try:
            model = load_model(settings.models_folder, approval)
        except ArtefactRefused as error:
            told = f"Approved version {approval.version} cannot serve: {error}"
            advice = f'lead-serve approve {approval.version} --why "…" fetches it again.'
            found.append(fault("model", told, advice))
            continue
        n_inputs = len(model.scorer.encoder.inputs)
        told = (
            f"Version {approval.version} ({approval.digest[:12]}…) is whole: digests, "
            f"{n_inputs} inputs, golden rows."
        )
        return [*found, fine("model", told)], model
    return [*found, fault("model", "No approved model is whole.", _APPROVE)], None


def check_last_good(settings: ServeSettings, model: ServingModel | None) -> list[Finding]:
    """Look at the copy of the last approval, with which a start goes without the database."""
    approval = LastGood(settings.models_folder, settings.model_name).read()
    if approval is None:
        if model is None:
            return []
        told = "No copy of the last approval is kept yet: a start would need the database."
        return [fine("last good", told + " The first start makes it.")]
    try:
        load_model(settings.models_folder, approval)
    except ArtefactRefused as error:
        told = f"What served last (version {approval.version}) cannot serve: {error}"
        return [warn("last good", told, "The next start with the database mends it.")]
    told = f"Version {approval.version} would serve even without the database."
    return [fine("last good", told)]


def check_registry(settings: ServeSettings, approvals: Sequence[Approval]) -> list[Finding]:
    """Ask MLflow, in a child process with a time limit, which version is proposed."""
    advice = (
        "Check LEAD_TRACKING_URI, its credentials and that MLflow runs. Scoring does not need it."
    )
    registry = Registry(settings)
    if not registry.is_there:
        told = "There is no MLflow store under LEAD_HOME; new versions cannot be approved."
        return [warn("mlflow", told, "Set LEAD_TRACKING_URI, or train (lead-train train).")]
    try:
        proposed = registry.proposed()
    except LeadQualityError as error:
        return [warn("mlflow", str(error), advice)]
    finally:
        registry.stop()
    if not proposed:
        told = f"MLflow answers; no version of {settings.model_name} is proposed."
        return [fine("mlflow", told)]
    if approvals and approvals[0].version == proposed:
        return [fine("mlflow", f"MLflow answers; version {proposed} is proposed and approved.")]
    told = f"MLflow proposes version {proposed}, which is not the one approved last."
    return [warn("mlflow", told, f'Read its report, then: lead-serve approve {proposed} --why "…"')]
