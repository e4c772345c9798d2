"""What is exported is what training reads: the same values, and nothing that computes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.definition import LeadDefinition, load_definition
from features.errors import LeadQualityError, LeadsRejected
from features.formulas import guarded, unguarded
from features.writing import normalise
from serving.records.event_file import import_events
from serving.records.events import EventService
from serving.records.exchange import behaviour_rows, event_rows, export_folder, lead_rows, written
from serving.store import Events, Exports, Predictions, Store, open_store
from tests.serving.test_event_store import event
from tests.serving.test_store import prediction
from training.exchange import find_exchange, read_exchange

NOW = datetime(2026, 11, 20, 0, 30, tzinfo=UTC)
AGREED = load_definition()
ODD = ("=1+1", "＝1", " =cmd|' /C calc'!A0", "@SUM(A1)", "+81-3-1234", "-5", "%00", "|x", "\t=1",
       "\r\n", "a\n=1", "'=1", "''", "'quoted'", '"', "展示会", "a,b;c", "ﾃｽﾄ", "é" * 200, "\u200b=1",
       "\ufeff", "NUL\x00x", "改行\nあり", "😀")  # fmt: skip


def recorded(lead_id: str, days: int = 0, **inputs: object):
    return replace(prediction(lead_id, days), inputs={"fields": {}, **inputs})


def cells(rows: Iterator[object]) -> list[list[str]]:
    text = "".join(written(rows))
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text[1:], newline=""), strict=True))


@pytest.mark.parametrize("cell", ODD, ids=ascii)
def test_no_cell_begins_so_that_a_spreadsheet_computes(cell: str) -> None:
    out = guarded(cell)

    lines = out.lstrip().splitlines() or [""]
    assert out[:1] not in ("\t", "\r", "\n", "=", "+", "-", "@", "|", "%", "＝")
    assert out == cell or out[0] == "'"
    assert lines[0][:1] not in "=+-@|%" or lines[0] == ""
    assert unguarded(out) == cell


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("'=+-@|%\t\r\n ＝－\u200b"))))
def test_every_cell_is_read_back_as_it_was(cell: str) -> None:
    assert unguarded(guarded(cell)) == cell
    assert guarded(cell)[:1] not in ("=", "+", "-", "@", "|", "%", "\t", "\r", "\n")


def test_an_export_of_odd_values_is_read_by_training_as_it_was(
    store: Store, tmp_path: Path
) -> None:
    leads = [
        recorded(
            f"リード-{k:02}",
            -9,
            fields={"source": text, "employees": k * 10, "prefecture": text, "no_field": "x"},
            events=[["page_view", (NOW - timedelta(days=10)).isoformat(), None]],
        )
        for k, text in enumerate(ODD)
    ]
    Predictions(store).add(leads)
    reasons = list(AGREED.reasons)
    told = [
        event(
            f"=e{k}", lead_id=f"リード-{k:02}", actor=text if text.strip("\x00") else None,
            kind="rejected", reason=reasons[k % 8], amount=-1.5, return_on=date(2027, 1, 4),
        )
        for k, text in enumerate(ODD)
        if "\x00" not in text
    ]  # fmt: skip
    Events(store).add([told])

    counts = export_folder(Exports(store), AGREED, tmp_path)
    history = read_exchange(find_exchange(tmp_path), AGREED, today=date(2026, 11, 22))

    assert counts == (len(ODD), len(told), len(ODD))
    assert history.leads["lead_id"].tolist() == [f"リード-{k:02}" for k in range(len(ODD))]
    # Training reads every value in its normal form, to which NUL is white space.
    assert history.fields["source"].fillna("").map(normalise).tolist() == [
        normalise(text) for text in ODD
    ]
    assert sorted(history.events["event_id"]) == sorted(one.event_id for one in told)
    assert history.events["amount"].tolist() == [-1.5] * len(told)
    assert len(history.behaviours) == len(ODD)


def test_personal_fields_have_stand_ins_or_no_column_and_unlisted_ones_none(store: Store) -> None:
    agreed = AGREED.model_copy(
        update={
            "fields": AGREED.fields
            | {"job_title": AGREED.fields["job_title"].model_copy(update={"personal": True})}
        }
    )
    fields = {"email": "a@b.jp", "job_title": "部長", "source": "webinar"}
    stand_ins = {"email": "anyone@k3f9.example.co.jp"}
    Predictions(store).add([recorded("L", fields=fields, stand_ins=stand_ins)])

    heading, row = cells(lead_rows(Exports(store), agreed))

    assert heading[:2] == ["lead_id", "as_of"]
    assert {"email", "company", "phone", "message"} <= set(heading)
    assert not {"job_title", "sales_stage"} & set(heading)
    assert "a@b.jp" not in row
    assert row[heading.index("email")] == "anyone@k3f9.example.co.jp"
    assert row[heading.index("source")] == "webinar"


def test_what_a_lead_did_is_told_once_however_often_it_was_scored(store: Store) -> None:
    acts = [["page_view", f"2026-11-1{k}T00:00:00+00:00", None] for k in range(5)]
    webinar = ["webinar", "2026-11-12T00:00:00+00:00", 45.0]
    unlisted = ["danced", "2026-11-12T00:00:00+00:00", None]
    Predictions(store).add(
        [
            recorded("L", 0, events=acts[:3]),
            recorded("M", 0, events=acts[:1]),
            recorded("L", 1, events=[*acts[1:], webinar, unlisted]),
            recorded("N", 1),
        ]
    )

    heading, *rows = cells(behaviour_rows(Exports(store), AGREED))

    assert heading == ["lead_id", "at", "kind", "amount"]
    assert [row[0] for row in rows] == ["L"] * 6 + ["M"]
    assert ["L", webinar[1], "webinar", "45"] in rows


def test_pages_join_without_a_gap_or_a_repeat(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.store.exports._AT_ONCE", 7)
    Predictions(store).add(
        [recorded(f"L{k % 9}", k % 5, fields={"employees": k}) for k in range(61)]
    )
    Events(store).add([[event(f"e{k}", lead_id=f"L{k % 9}", minutes=k % 3) for k in range(61)]])

    heading, *rows = cells(lead_rows(Exports(store), AGREED))
    _, *events = cells(event_rows(Exports(store), AGREED.zone))

    told = heading.index("employees")
    assert sorted(int(row[told]) for row in rows) == list(range(61))
    assert [row[:2] for row in rows] == sorted(row[:2] for row in rows)
    assert sorted(row[7] for row in events) == sorted(f"e{k}" for k in range(61))


def test_a_drawn_lead_that_was_worked_has_an_audit_event_with_its_chance(store: Store) -> None:
    drawn = replace(recorded("A"), audit_probability=0.25, is_audited=True)
    passed = replace(recorded("B"), audit_probability=0.25)
    Predictions(store).add([drawn, passed, replace(drawn, lead_id="C")])
    Events(store).add(
        [[event("a", lead_id="A", minutes=5, kind="accepted"), event("b", lead_id="B", minutes=5)]]
    )

    _, *rows = cells(event_rows(Exports(store), AGREED.zone))

    audits = [row for row in rows if row[2] == "audit"]
    assert [(row[0], row[4], row[6]) for row in audits] == [("A", "0.25", "lead-serve")]
    assert len(rows) == 3


def test_what_training_could_not_read_is_left_out(store: Store) -> None:
    Predictions(store).add([recorded("\u200b"), recorded("old", -20_000), recorded("L")])

    _, *rows = cells(lead_rows(Exports(store), AGREED))

    assert [row[0] for row in rows] == ["L"]


def test_an_export_without_behaviour_has_no_file_of_it(store: Store, tmp_path: Path) -> None:
    Predictions(store).add([recorded("L", fields={"source": "webinar"})])
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "behaviours.csv").write_text("of an earlier export")

    export_folder(Exports(store), AGREED, folder)

    assert sorted(file.name for file in folder.iterdir()) == ["events.csv", "leads.csv"]


def test_a_heading_alone_is_no_behaviour_and_ids_are_compared_in_their_normal_form(
    store: Store, tmp_path: Path
) -> None:
    Predictions(store).add(
        [recorded("Ａ－1", -2, fields={"source": "webinar"}), recorded("A-1", -1)]
    )
    Events(store).add([[event("e-1", lead_id="A-1", kind="accepted")]])
    export_folder(Exports(store), AGREED, tmp_path)
    (tmp_path / "behaviours.csv").write_text("\ufefflead_id,at,kind,amount\r\n", "utf-8")

    history = read_exchange(find_exchange(tmp_path), AGREED, today=date(2026, 11, 22))

    assert history.leads["lead_id"].tolist() == ["A-1"]
    assert history.fields["source"].tolist() == ["webinar"]


# --- importing -----------------------------------------------------------------------------------


def reader(store: Store, definition: LeadDefinition | None = AGREED) -> EventService:
    return EventService(Events(store), lambda: NOW, definition)


def test_an_export_is_imported_into_another_store_once(address: str, tmp_path: Path) -> None:
    first = open_store(address)
    second = open_store(f"sqlite:///{tmp_path / 'second.db'}")
    for one in (first, second):
        one.migrate()
    checked = [
        event(f"={k}", lead_id="@L", kind="rejected", reason="no_need", actor=text, minutes=-k,
              return_on=date(2027, 1, 4), amount=0.1)
        for k, text in enumerate(text for text in ODD if text.isprintable() and text.strip())
    ]  # fmt: skip
    Events(first).add([checked])
    export_folder(Exports(first), AGREED, tmp_path)

    told = [
        import_events(tmp_path / "events.csv", reader(second), Events(second), "me")
        for _ in range(2)
    ]

    assert told == [(len(checked), len(checked)), (len(checked), 0)]
    plain = [
        [
            (one.event_id, one.at, one.reason, one.actor, one.amount, one.return_on)
            for one in Events(one_store).of_lead("@L")
        ]
        for one_store in (first, second)
    ]
    assert plain[0] == plain[1]
    for one in (first, second):
        one.close()


def test_everything_wrong_with_a_file_is_told_at_once_and_nothing_is_stored(
    store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "events.csv"
    file.write_text(
        "event_id,lead_id,at,kind,reason,amount\n"
        "e1,L1,2026-11-01T10:00:00+09:00,won,,100万円\n"
        "e2,L2,someday,won,,\n"
        "e3,,2026-11-01T10:00:00+09:00,won,,\n"
        "e4,L4,2026-11-01T10:00:00+09:00,rejected,山田太郎,\n"
        "e5,L5,2026-11-01T10:00:00+09:00,won,,a lot\n"
        "e6,L6,someday,danced,,\n",
        "utf-8",
    )

    with pytest.raises(LeadsRejected, match=r"5 error\(s\); nothing was used") as caught:
        import_events(file, reader(store), Events(store), "me")

    told = str(caught.value)
    assert "column 'at', row 3, 7 (2 in all)" in told or "column 'at', row 3, 7" in told
    assert "column 'reason', row 5" in told
    assert "column 'amount', row 6" in told
    assert "山田" not in told
    assert Events(store).after(0) == []


def test_a_file_that_contradicts_what_is_stored_is_refused_by_row(
    store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "events.csv"
    heading = "event_id,lead_id,at,kind\n"
    file.write_text(heading + "e1,L1,2026-11-01T10:00:00+09:00,won\n", "utf-8")
    import_events(file, reader(store), Events(store), "me")
    file.write_text(heading + "e0,L1,2026-11-01,won\ne1,L1,2026-11-02,won\n", "utf-8")

    with pytest.raises(LeadsRejected, match=r"row 3.*known with another content"):
        import_events(file, reader(store), Events(store), "me")

    assert len(Events(store).of_lead("L1")) == 1


def test_a_file_that_takes_back_another_leads_event_is_refused_by_row(
    store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "events.csv"
    file.write_text(
        "event_id,lead_id,at,kind,reason\n"
        "e1,L1,2026-11-01T10:00:00+09:00,won,\n"
        "e2,L1,2026-11-02T10:00:00+09:00,retracted,e1\n"
        "e3,L2,2026-11-02T10:00:00+09:00,retracted,ｅ１\n",
        "utf-8",
    )

    with pytest.raises(LeadsRejected, match=r"row 4.*names an event of another lead"):
        import_events(file, reader(store), Events(store), "me")

    assert Events(store).after(0) == []


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=300), st.text(max_size=200).map(str.encode)))
def test_any_bytes_as_a_file_are_refused_with_a_reason(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "any.csv"
    file.write_bytes(content)
    never = open_store("sqlite://")

    with pytest.raises(LeadQualityError, match=r"any\.csv"):
        import_events(file, reader(never), Events(never), "me")
