"""The world as a company's exports: three CSV files, the two agreements, and the truth apart."""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import yaml

from features.definition import LeadDefinition, load_definition
from features.errors import LeadQualityError
from training.worlds.people import Integers
from training.worlds.rendering import written_times
from training.worlds.settings import WorldSettings
from training.worlds.world import Progress, World, silently

__all__ = ["WorldNotWritten", "write_world"]

Encoding = Literal["utf-8", "utf-8-sig", "cp932"]

_FIELD_HEADINGS = {
    "arrived_at": "登録日時",
    "source": "流入元",
    "industry": "業種",
    "employees": "従業員数",
    "capital": "資本金",
    "prefecture": "都道府県",
    "job_title": "役職",
    "company": "会社名",
    "email": "メールアドレス",
    "phone": "電話番号",
    "product": "関心製品",
    "message": "お問い合わせ内容",
}
_LATER_HEADINGS = {
    "sales_stage": "商談フェーズ",
    "visit_count": "訪問回数",
    "quote_amount": "見積金額",
}
_STATUSES = {
    "accepted": "営業受入",
    "rejected": "差し戻し",
    "touched": "初回接触・架電",
    "won": "受注",
    "lost": "失注",
    "recycled": "再アプローチ",
    "audit": "監査枠で対応",
    "retracted": "取消",
}
_ACTIVITIES = {
    "page_view": "ページ閲覧",
    "pricing_view": "料金ページ閲覧",
    "download": "資料ダウンロード",
    "webinar": "ウェビナー視聴",
    "mail_open": "メール開封",
}
_README = """\
{n_leads:,} invented leads of an invented company, {days} days up to {end} (seed {seed}).
leads.csv is the CRM's list, decisions.csv what sales did with each lead and what came of it,
activities.csv what each lead did on the site; all in {encoding}. source_map.yaml says how to read
them, lead_definition.yaml what was agreed. truth/ holds what nobody can know (the true chance of
every lead): it is for judging a model and must never be used to train one.
"""


class WorldNotWritten(LeadQualityError):
    """The folder for a world cannot be used."""

    status = 409


def write_world(
    world: World,
    directory: str | Path,
    *,
    encoding: Encoding = "utf-8",
    progress: Progress | None = None,
) -> Path:
    """Write the world's exports into a new folder, all of it or nothing.

    Only what happened up to the cut-off is written. The content is the same in every encoding.

    Parameters
    ----------
    world : World
        From `make_world`.
    directory : str or Path
        The folder to make; it must not exist or be empty.
    encoding : {"utf-8", "utf-8-sig", "cp932"}, default="utf-8"
        Of the CSV files; the YAML files are UTF-8.
    progress : callable, optional
        Called with the name of the file being written and the share that is finished.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    WorldNotWritten
        If the folder holds something already, or cannot be made.
    """
    tell = progress or silently
    folder = Path(directory).absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WorldNotWritten(
            f"{folder.name} exists and is not an empty folder; nothing was written. "
            "Name a new folder, or empty it first."
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise WorldNotWritten(
            f"The folder {folder.name} cannot be made ({error.strerror}). "
            "Check the path and the rights."
        ) from error
    try:
        _write_all(world, draft, encoding, tell)
        draft.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        draft.replace(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    tell("written", 1.0)
    return folder


def _write_all(world: World, folder: Path, encoding: Encoding, tell: Progress) -> None:
    part = world.training_part()
    definition = _definition(world.settings)
    tell("leads.csv", 0.0)
    leads = {"リードID": part.leads["lead_id"]}
    typed = world.fields.iloc[: len(part.leads)]  # not as read: as people typed them
    leads |= {heading: typed[name] for name, heading in _FIELD_HEADINGS.items()}
    leads |= {_LATER_HEADINGS[name]: part.later[name] for name in map(str, part.later)}
    leads |= {name: world.planted[name].iloc[: len(part.leads)] for name in map(str, world.planted)}
    _write_csv(folder / "leads.csv", leads, encoding)
    tell("decisions.csv", 0.2)
    _write_csv(folder / "decisions.csv", _decisions(part.events, definition), encoding)
    tell("activities.csv", 0.5)
    _write_csv(folder / "activities.csv", _activities(part.behaviours), encoding)
    tell("truth", 0.9)
    (folder / "truth").mkdir()
    truth = {name: world.truth[name] for name in map(str, world.truth)}
    _write_csv(folder / "truth" / "truth.csv", truth, "utf-8")
    source_map = yaml.safe_dump(_source_map(world), allow_unicode=True, sort_keys=False)
    (folder / "source_map.yaml").write_text(source_map, "utf-8")
    (folder / "lead_definition.yaml").write_text(definition.to_yaml(), "utf-8")
    readme = _README.format_map(asdict(world.settings) | {"encoding": encoding})
    (folder / "README.txt").write_text(readme, "utf-8")


def _decisions(events: pd.DataFrame, definition: LeadDefinition) -> dict[str, Any]:
    reasons = {code: reason.names.ja for code, reason in definition.reasons.items()}
    return {
        "記録ID": events["event_id"],
        "リードID": events["lead_id"],
        "日時": written_times(_microseconds(events["at"]), "{0}-{1}-{2} {3}:{4}:{5}"),
        "対応": [_STATUSES[kind] for kind in events["kind"]],
        "理由": [reasons.get(reason, reason) for reason in events["reason"]],
        "金額": _numbers(events["amount"]),
        "担当": events["actor"],
        "システム": events["source"],
    }


def _activities(behaviours: pd.DataFrame) -> dict[str, Any]:
    return {
        "リードID": behaviours["lead_id"],
        "発生日時": written_times(_microseconds(behaviours["at"]), "{0}-{1}-{2}T{3}:{4}:{5}+09:00"),
        "種別": [_ACTIVITIES[kind] for kind in behaviours["kind"]],
        "視聴分数": _numbers(behaviours["amount"]),
    }


def _microseconds(times: pd.Series[Any]) -> Integers:
    return np.asarray(times.dt.tz_convert(None).to_numpy(dtype="datetime64[us]").view(np.int64))


def _numbers(values: pd.Series[float]) -> list[str | None]:
    return [None if np.isnan(value) else f"{value:.15g}" for value in values.tolist()]


def _write_csv(path: Path, columns: dict[str, Any], encoding: str) -> None:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(zip(*(_cells(column) for column in columns.values()), strict=True))
    path.write_bytes(stream.getvalue().encode(encoding))


def _cells(column: Sequence[Any] | pd.Series[Any]) -> list[Any]:
    values: list[Any] = column.tolist() if isinstance(column, pd.Series) else list(column)
    return ["" if value is None or value != value else value for value in values]


def _definition(settings: WorldSettings) -> LeadDefinition:
    """The packaged agreement; outcomes were recorded from the first day of the span."""
    began = settings.end - timedelta(days=settings.days)
    return load_definition().model_copy(update={"recording_began": began})


def _source_map(world: World) -> dict[str, Any]:
    fields = dict(_FIELD_HEADINGS)
    fields |= {name: _LATER_HEADINGS[name] for name in map(str, world.later)}
    return {
        "version": "1",
        "mode": "history",
        "leads": {
            "file": "leads.csv",
            "lead_id": "リードID",
            "arrived_at": "登録日時",
            "fields": fields,
        },
        "events": [
            {
                "file": "decisions.csv",
                "lead_id": "リードID",
                "at": "日時",
                "kind": {
                    "column": "対応",
                    "values": {written: kind for kind, written in _STATUSES.items()},
                },
                "reason": {"column": "理由"},
                "amount": "金額",
                "actor": "担当",
                "source": "システム",
                "event_id": "記録ID",
            }
        ],
        "behaviours": [
            {
                "file": "activities.csv",
                "lead_id": "リードID",
                "at": "発生日時",
                "kind": {
                    "column": "種別",
                    "values": {written: kind for kind, written in _ACTIVITIES.items()},
                },
                "amount": "視聴分数",
            }
        ],
    }
