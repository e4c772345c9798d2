import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from features.definition import load_definition, parse_definition
from features.errors import FileUnreadable
from features.leads import read_history
from features.source_map import load_source_map, parse_source_map
from tests.conftest import TODAY, world_files
from tests.training.typed import lead_train
from training.drafting.draft import draft_files
from training.drafting.outcomes import read_status
from training.worlds import WorldSettings, make_world, write_world


def drafted(*paths, **options):
    return draft_files(list(paths), today=TODAY, **options)


def read(draft, *paths):
    return read_history(paths, draft.definition, draft.source_map, today=TODAY)


def write_csv(path, heading, rows, encoding="utf-8", delimiter=","):
    with path.open("w", encoding=encoding, newline="") as opened:
        writer = csv.writer(opened, delimiter=delimiter)
        writer.writerow(heading)
        writer.writerows(rows)
    return path


def crm_rows(n=120):
    """Return a small export as a CRM with English headings writes it."""
    statuses = ["Open", "Closed Won", "Closed Lost", "Not Responding"]
    return ["Lead ID", "Created Date", "Lead Source", "Employees", "Email", "Phone", "Lead Status"], [
        [f"L-{i:04}", f"{13 + i % 15:02}/{1 + i % 9:02}/2025 10:{i % 60:02}", ["Web", "Event", "Partner"][i % 3], str(10 + i % 50),
         f"person{i}@firm{i % 7}.example.com", f"+81 3 5550 {i:04}", statuses[i % 4]]
        for i in range(n)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("written", "event", "reason", "is_certain"),
    [
        ("Closed - Converted", "won", None, True), ("受注済", "won", None, True), ("4.受注", "won", None, True),
        ("未受注", "lost", "lost_other", False), ("受注見込", "open", None, False), ("失注(価格)", "lost", "lost_price", False),
        ("Marketing Qualified Lead", "open", None, True), ("Closed - Not Converted", "lost", "lost_other", False),
        ("Unqualified", "rejected", "no_fit", True), ("連絡がつかない", "rejected", "unresponsive", True),
        ("Junk Lead", "rejected", "competitor_student_spam", False), ("商談中", "open", None, True),
        ("既存顧客", "rejected", "already_customer", False), ("Attempted to contact", "open", None, True),
    ],
)  # fmt: skip
def test_statuses_are_read_by_their_words(written, event, reason, is_certain):
    reading = read_status(written)

    assert (reading.event, reading.reason, reading.is_certain) == (event, reason, is_certain)


@pytest.mark.parametrize(
    "written", ["Zone Q", "Parked", "A", "Stage 3", "その先", "reverted", "x" * 90 + " won"]
)
def test_what_no_word_tells_is_not_read(written):
    assert read_status(written) is None


@pytest.fixture(scope="module")
def of_world(world_folder):
    return drafted(*world_files(world_folder))


# --- what is recognised ------------------------------------------------------------------------


def test_the_drafts_of_an_exported_world_read_what_its_own_files_read(of_world, world_folder):
    own = read_history(
        world_files(world_folder),
        load_definition(world_folder / "lead_definition.yaml"),
        load_source_map(world_folder / "source_map.yaml"),
        today=TODAY,
    )

    history = read(of_world, *world_files(world_folder))

    assert history.mode == "history"
    assert not of_world.trial.problem
    pd.testing.assert_frame_equal(history.leads, own.leads)
    pd.testing.assert_frame_equal(history.events, own.events)
    pd.testing.assert_frame_equal(history.behaviours, own.behaviours)
    assert set(history.fields) == set(own.fields)
    assert set(history.later) == set(own.later)
    assert [question for question in of_world.questions if question.must_be_answered] == []


def test_the_cp932_export_gives_the_same_drafts_but_for_the_encoding(of_world, tmp_path):
    world = make_world(WorldSettings(n_leads=2000, n_test=0, seed=5, prejudice=1.5))
    folder = write_world(world, tmp_path / "cp932", encoding="cp932")

    other = drafted(*world_files(folder))

    assert other.definition_text == of_world.definition_text
    assert "encoding: cp932" in other.source_map_text
    assert other.source_map_text.replace("cp932", "utf-8") == of_world.source_map_text
    assert [one.document() for one in other.findings] == [
        one.document() for one in of_world.findings
    ]


def test_columns_of_a_world_that_sales_fills_in_are_known_later(of_world):
    later = {name for name, field in of_world.definition.fields.items() if not field.is_usable}
    leaks = {finding.field for finding in of_world.findings if finding.severity == "leak"}

    assert later == {"sales_stage", "visit_count", "quote_amount"}
    assert {"sales_stage", "quote_amount"} <= leaks


def test_the_order_of_the_files_does_not_matter(of_world, world_folder):
    turned = drafted(*reversed(world_files(world_folder)))

    assert turned.definition_text == of_world.definition_text
    assert turned.source_map_text == of_world.source_map_text


@pytest.mark.parametrize("kind", ["csv", "tab", "semicolon", "xlsx", "parquet"])
def test_a_table_is_drafted_alike_whatever_kind_of_file_it_is(tmp_path, kind):
    heading, rows = crm_rows()
    table = pd.DataFrame(rows, columns=heading)
    path = tmp_path / {"xlsx": "crm.xlsx", "parquet": "crm.parquet"}.get(kind, "crm.csv")
    if kind == "xlsx":
        table.to_excel(path, index=False)
    elif kind == "parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep={"csv": ",", "tab": "\t", "semicolon": ";"}[kind])

    draft = drafted(path)
    leads = draft.source_map.leads

    assert leads.delimiter == {"csv": ",", "tab": "tab", "semicolon": ";"}.get(kind)
    assert leads.encoding == ("utf-8" if path.suffix == ".csv" else None)
    assert (leads.lead_id, leads.arrived_at) == ("Lead ID", "Created Date")
    assert leads.date_formats == ("%d/%m/%Y %H:%M",)
    assert leads.status is not None
    assert {value: meaning.event for value, meaning in leads.status.values.items()} == {
        "Open": "open", "Closed Won": "won", "Closed Lost": "lost", "Not Responding": "rejected",
    }  # fmt: skip
    assert leads.status.values["Not Responding"].reason == "unresponsive"
    types = {name: field.type for name, field in draft.definition.fields.items()}
    assert types == {
        "arrived_at": "time", "source": "category", "employees": "number", "email": "email", "phone": "phone",
    }  # fmt: skip
    assert draft.definition.channel_field == "source"
    assert len(read(draft, path).leads) == 120


def test_a_status_with_a_date_wherever_something_was_decided_makes_a_history(tmp_path):
    heading, rows = crm_rows()
    rows = [
        [*row, "" if row[-1] == "Open" else f"{13 + i % 15:02}/11/2025"]
        for i, row in enumerate(rows)
    ]
    path = write_csv(tmp_path / "crm.csv", [*heading, "Closed Date"], rows)

    draft = drafted(path)

    assert draft.source_map.mode == "history"
    assert draft.source_map.leads.status is not None
    assert draft.source_map.leads.status.at == "Closed Date"
    assert read(draft, path).events["at"].notna().all()


def test_a_date_for_wins_only_stays_a_snapshot(tmp_path):
    heading, rows = crm_rows()
    rows = [[*row, "13/11/2025" if row[-1] == "Closed Won" else ""] for row in rows]

    draft = drafted(write_csv(tmp_path / "crm.csv", [*heading, "Closed Date"], rows))

    assert draft.source_map.mode == "snapshot"
    assert draft.definition.fields["closed_date"].known == "later"


def test_reasons_are_found_beside_the_status(tmp_path):
    statuses = ["受注", "失注", "差し戻し", "未対応"]
    reasons = {"失注": ["価格で失注", "他社に決定"], "差し戻し": ["予算なし", "学生の問い合わせ"]}
    rows = [
        [f"A{i}", f"2025/{1 + i % 12}/{1 + i % 28} 9:00", ["展示会", "紹介"][i % 2], statuses[i % 4],
         reasons.get(statuses[i % 4], [""])[i // 4 % len(reasons.get(statuses[i % 4], [""]))]]
        for i in range(200)
    ]  # fmt: skip
    path = write_csv(
        tmp_path / "crm.csv", ["顧客ID", "登録日", "流入経路", "状況", "理由"], rows, "cp932"
    )

    draft = drafted(path)
    events = read(draft, path).events

    assert draft.language == "ja"
    assert set(events.loc[events["kind"] == "lost", "reason"]) == {"lost_price", "chose_competitor"}
    assert set(events.loc[events["kind"] == "rejected", "reason"]) == {
        "no_budget", "competitor_student_spam",
    }  # fmt: skip


def test_deals_in_a_file_of_their_own_are_wins(tmp_path):
    leads = write_csv(
        tmp_path / "leads_20260101.csv", ["contact_id", "created_at", "channel"],
        [[f"c{i}", f"2025-{1 + i % 12:02}-05", ["a", "b"][i % 2]] for i in range(200)],
    )  # fmt: skip
    deals = write_csv(
        tmp_path / "deals.csv", ["contact_id", "won_at", "deal_amount"],
        [[f"c{i}", f"2025-{1 + i % 12:02}-20", 1000 + i] for i in range(0, 200, 3)],
    )  # fmt: skip

    draft = drafted(leads, deals)
    part = draft.source_map.events[0]

    assert (part.kind.constant, part.at, part.amount) == ("won", "won_at", "deal_amount")
    assert draft.source_map.leads.file == "leads_*.csv"
    assert len(read(draft, leads, deals).events) == 67


# --- what is asked -----------------------------------------------------------------------------


def test_a_value_that_nobody_can_guess_is_asked_and_not_chosen(tmp_path):
    heading, rows = crm_rows()
    rows = [[*row[:-1], "Zone Q" if row[-1] == "Open" else row[-1]] for row in rows]
    path = write_csv(tmp_path / "crm.csv", heading, rows)

    draft = drafted(path)
    asked = [question for question in draft.questions if question.must_be_answered]

    assert [question.where for question in asked] == ["source_map.yaml: leads.status.values"]
    assert "'Zone Q (30)'" in asked[0].what.en
    assert "# question 1 (answer first)" in draft.source_map_text
    assert "'Zone Q' is not listed" in draft.trial.problem
    answered = draft.source_map_text.replace("    values:\n", "    values:\n      Zone Q: open\n")
    history = read_history([path], draft.definition, parse_source_map(answered), today=TODAY)
    assert len(history.leads) == 120


def test_dates_that_leave_day_and_month_open_are_asked(tmp_path):
    heading, rows = crm_rows()
    rows = [[row[0], f"0{1 + i % 3}/0{1 + i % 2}/2025", *row[2:]] for i, row in enumerate(rows)]
    path = write_csv(tmp_path / "crm.csv", heading, rows)

    draft = drafted(path)

    asked = next(one for one in draft.questions if one.where.endswith("date_formats"))
    assert asked.must_be_answered
    assert "%d/%m/%Y" in asked.expected.en
    assert "%m/%d/%Y" in asked.expected.en
    assert draft.source_map.leads.date_formats is None
    assert "date" in draft.trial.problem


def test_a_table_without_outcomes_is_drafted_with_the_question_where_they_stand(tmp_path):
    rows = [[i, f"2025-01-{1 + i % 28:02}", "ab"[i % 2]] for i in range(60)]
    path = write_csv(tmp_path / "leads.csv", ["id", "created", "source"], rows)

    draft = drafted(path)

    assert draft.questions[0].where == "source_map.yaml: leads.status"
    assert draft.questions[0].must_be_answered
    assert "(answer here)" in draft.trial.problem


def test_a_snapshot_without_any_order_asks_for_one(tmp_path):
    rows = [["ab"[i % 2], i % 7, i % 3 // 2] for i in range(90)]
    path = write_csv(tmp_path / "leads.csv", ["source", "visits", "converted"], rows)

    draft = drafted(path)

    assert [one.where for one in draft.questions if one.must_be_answered] == [
        "source_map.yaml: leads.order_by"
    ]
    assert draft.source_map.leads.status is not None
    assert draft.source_map.leads.status.values["1"].event == "won"


def test_repeated_ids_are_asked_about_and_found(tmp_path):
    heading, rows = crm_rows()
    path = write_csv(tmp_path / "crm.csv", heading, [*rows, rows[0], rows[1]])

    draft = drafted(path)

    assert draft.source_map.leads.lead_id == "Lead ID"
    assert any("(2 " not in one.what.en and "2 rows" in one.what.en for one in draft.questions)
    assert "duplicate_id" in {finding.signal for finding in draft.findings}


def test_a_log_of_events_alone_is_called_one(tmp_path):
    rows = [[f"x{i % 40}", f"2025-03-{1 + i % 28:02}", ["web", "fair"][i % 2], ["won", "lost", "open"][i % 3]] for i in range(200)]  # fmt: skip

    draft = drafted(write_csv(tmp_path / "log.csv", ["lead_id", "date", "source", "event"], rows))

    assert draft.questions[0].where == "source_map.yaml: leads.lead_id"
    assert "log of events" in draft.questions[0].expected.en
    assert "lead_id" not in draft.definition.fields


def test_a_reason_that_two_kinds_share_gets_the_code_of_the_kind_it_stands_beside(tmp_path):
    statuses = ["受注", "失注", "未対応"]
    rows = [
        [f"A{i}", f"2025/{1 + i % 12}/{1 + i % 28}", ["展示会", "紹介"][i % 2], statuses[i % 3], "その他" if i % 3 == 1 else ""]
        for i in range(90)
    ]  # fmt: skip
    path = write_csv(tmp_path / "crm.csv", ["顧客ID", "登録日", "流入経路", "状況", "理由"], rows)

    draft = drafted(path)

    assert set(read(draft, path).events["reason"].dropna()) == {"lost_other"}
    assert not draft.trial.problem


# --- what is suspected -------------------------------------------------------------------------


def test_habits_of_an_export_are_noted(tmp_path):
    heading, rows = crm_rows()
    extra = ["国", "業種", "氏名", "予定日"]
    rows = [
        [*row, "日本", "未選択" if i % 3 else ["製造", "小売"][i % 2], f"山田{i}", "9999-12-30" if i == 5 else "2025-05-05"]
        for i, row in enumerate(rows)
    ]  # fmt: skip

    draft = drafted(write_csv(tmp_path / "crm.csv", [*heading, *extra], rows))
    signals = {(finding.field, finding.signal) for finding in draft.findings}

    assert {("国", "constant"), ("industry", "blank_spelling"), ("氏名", "personal")} <= signals
    assert any(signal == "impossible_date" for _, signal in signals)
    assert draft.source_map.leads.blanks == ("未選択",)
    assert not {"国", "氏名"} & set(draft.source_map.leads.fields.values())
    assert draft.definition.fields["email"].personal


def test_a_column_that_tells_the_outcome_is_named_and_hidden_from_the_model(tmp_path):
    heading, rows = crm_rows(1200)
    rows = [
        [*row, "x" if row[-1] == "Closed Won" else "yz"[i % 2 if i % 7 else 1]]
        for i, row in enumerate(rows)
    ]

    draft = drafted(write_csv(tmp_path / "crm.csv", [*heading, "Bucket"], rows))

    assert ("bucket", "leak") in {(one.field, one.severity) for one in draft.findings}
    assert draft.definition.fields["bucket"].known == "later"
    assert "known later, says the leak scan" in draft.definition_text


def test_personal_values_are_nowhere_in_what_is_written_or_said(tmp_path):
    heading, rows = crm_rows(400)
    rows = [
        [*row, f"Jane Roe{i}", f"{i} Long Street", "Kim Doe" if "Won" in row[-1] else "Al Poe"]
        for i, row in enumerate(rows)
    ]
    path = write_csv(
        tmp_path / "crm.csv", [*heading, "Contact Name", "Address", "Lead Owner"], rows
    )

    done = lead_train("inspect", path, "--out", tmp_path / "out", "--json", home=tmp_path)
    told = done.stdout + done.stderr
    told += "".join(one.read_text("utf-8") for one in (tmp_path / "out").iterdir())

    assert done.returncode == 0, done.stderr
    assert [
        word
        for word in ("person1", "@firm", "5550", "Jane", "Long Street", "Kim", "kim doe", "al poe")
        if word in told
    ] == []


# --- hostile files -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", b"source,status\n", "heading but no rows"),
        ("a.csv", b"status\nwon\nlost\n", "no column that tells something of a lead"),
        ("a.csv", b"PK\x03\x04rest", "Excel workbook"),
        ("a.csv", bytes(range(128, 256)) * 20, "neither UTF-8 nor CP932"),
        ("a.csv", "名,x\n一,1\n".encode() + "二,2\n".encode("cp932"), "two encodings are mixed"),
        ("a.doc", b"whatever", "Expected .csv"),
        ("a.parquet", b"PAR1 not", "not a readable Parquet"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_by_name(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(FileUnreadable, match=message):
        drafted(path)


def test_headings_may_hold_anything(tmp_path):
    odd = ['say "hi": # {x}', "line\nbreak", "- {a: b}", "x" * 400, "'", "null", "１", "status"]
    rows = [
        [["p", "q"][i % 2], "ab"[i % 2], "cd"[i // 2 % 2], "e", "fg"[i % 2], "hi"[i % 2], i % 5,
         ["won", "lost", "open"][i % 3]]
        for i in range(90)
    ]  # fmt: skip
    path = write_csv(tmp_path / "odd.csv", odd, rows)

    draft = drafted(path)

    assert set(draft.source_map.leads.fields.values()) >= {'say "hi": # {x}', "- {a: b}", "null"}
    assert "x" * 400 not in draft.source_map_text
    assert parse_definition(draft.definition_text) == draft.definition


def test_two_columns_of_one_name_are_drafted_and_the_reading_says_what_to_do(tmp_path):
    heading, rows = crm_rows()
    path = write_csv(tmp_path / "crm.csv", [*heading, "Lead Source"], [[*row, "x"] for row in rows])

    draft = drafted(path)

    assert "two columns have this name" in draft.trial.problem


def test_five_hundred_columns_are_drafted(tmp_path):
    heading, rows = crm_rows(60)
    wide = [f"extra {i}" for i in range(500)]
    path = write_csv(
        tmp_path / "wide.csv", [*heading, *wide],
        [[*row, *(f"{(i * 7 + j) % 5}{'abcde'[j % 5]}" for j in range(500))] for i, row in enumerate(rows)],
    )  # fmt: skip

    draft = drafted(path)

    assert len(draft.definition.fields) > 500
    assert not draft.trial.problem


# --- the command -------------------------------------------------------------------------------


def test_the_command_writes_both_files_and_one_json_document(tmp_path):
    path = write_csv(tmp_path / "crm.csv", *crm_rows())
    out = tmp_path / "drafts"

    done = lead_train("inspect", path, "--out", out, "--json", home=tmp_path)

    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert {"files", "definition", "source_map", "questions", "findings", "notes"} <= set(document)
    assert document["files"][0]["name"] == "crm.csv"
    assert set(document["questions"][0]) >= {"what", "where", "expected"}
    assert sorted(one.name for one in out.iterdir()) == ["lead_definition.yaml", "source_map.yaml"]
    assert load_definition(out / "lead_definition.yaml").version == "draft"
    assert load_source_map(out / "source_map.yaml").leads.lead_id == "Lead ID"
    assert "Looking for leaks" in done.stderr


def test_drafts_are_never_written_over_without_consent(tmp_path):
    path = write_csv(tmp_path / "crm.csv", *crm_rows())
    out = tmp_path / "drafts"
    out.mkdir()
    (out / "source_map.yaml").write_text("mine")

    refused = lead_train("inspect", path, "--out", out, home=tmp_path)

    assert refused.returncode == 1
    assert "holds source_map.yaml already" in refused.stderr
    assert "--force" in refused.stderr
    assert (out / "source_map.yaml").read_text() == "mine"
    assert not (out / "lead_definition.yaml").exists()
    done = lead_train("inspect", path, "--out", out, "--force", "--language", "ja", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "確認してください" in done.stdout
    assert load_definition(out / "lead_definition.yaml").language == "ja"


# --- real data ---------------------------------------------------------------------------------


def real(folder: Path, name: str) -> list[Path]:
    return sorted((folder / name).glob("*.csv"))


def test_a_real_export_with_real_rejections_is_read_at_once(real_data):
    paths = real(real_data, "ficzon")

    draft = drafted(*paths)
    history = read(draft, *paths)

    assert len(history.leads) == 7422
    assert draft.source_map.leads.delimiter == ";"
    assert draft.source_map.leads.blanks == ("#VALUE!",)
    kinds = history.events["kind"].value_counts().to_dict()
    assert kinds == {"rejected": 4071, "won": 852, "lost": 440}
    suspects = {one.field for one in draft.findings if one.severity != "note"}
    assert {"product", "region"} <= suspects
    assert draft.definition.fields["phone"].personal
    assert draft.definition.fields["email"].type == "email"


def test_a_real_snapshot_names_what_sales_typed(real_data):
    paths = real(real_data, "xeducation")

    draft = drafted(*paths)
    history = read(draft, *paths)

    severe = {one.field for one in draft.findings if one.severity != "note"}
    later = {name for name, field in draft.definition.fields.items() if not field.is_usable}
    assert len(history.leads) == 9240
    assert draft.source_map.leads.order_by == "Lead Number"
    assert draft.source_map.leads.blanks == ("Select",)
    assert {"tags", "lead_quality", "last_activity"} <= later
    assert {"tags", "lead_quality", "lead_profile", "occupation"} <= severe
    assert {"visits", "time_on_site", "source", "origin"} <= set(history.fields)


def test_real_leads_and_deals_become_a_history(real_data):
    paths = real(real_data, "olist_funnel")

    draft = drafted(*paths)
    history = read(draft, *paths)

    assert history.mode == "history"
    assert (len(history.leads), len(history.events)) == (8000, 842)
    assert draft.source_map.events[0].at == "won_date"
    assert draft.definition.channel_field == "origin"
    assert set(history.fields) == {"arrived_at", "landing_page", "origin"}


# --- an earlier export -------------------------------------------------------------------------


def two_exports(tmp_path):
    """Return the lead table of one company on two days: in between, sales has typed ranks."""
    rows = [
        {
            "リードID": f"L{k:04d}",
            "登録日": f"2026-0{1 + k // 60}-{1 + k % 28:02d}",
            "流入元": ("紹介", "展示会", "SNS")[k % 3],
            "ランク": "ABC"[k % 3],
            "状態": "受注" if k % 5 == 0 else "失注",
        }
        for k in range(240)
    ]
    later = pd.DataFrame(rows)
    earlier = later.head(200).copy()
    earlier["ランク"] = [rank if k % 4 else None for k, rank in enumerate(earlier["ランク"])]
    earlier.to_csv(tmp_path / "earlier.csv", index=False)
    later.to_csv(tmp_path / "later.csv", index=False)
    return tmp_path / "earlier.csv", tmp_path / "later.csv"


def test_a_field_that_changes_after_an_earlier_export_is_known_later(tmp_path):
    earlier, later = two_exports(tmp_path)

    alone = draft_files([later], today=TODAY)
    compared = draft_files([later], today=TODAY, earlier=earlier)

    changed = [one for one in compared.findings if one.signal == "time_proof"]
    assert [one for one in alone.findings if one.signal == "time_proof"] == []
    assert len(changed) == 1
    assert changed[0].severity == "leak"
    assert changed[0].evidence["n_changed"] == 50
    assert compared.definition.fields[changed[0].field].known == "later"


def test_an_earlier_export_without_the_ids_cannot_be_compared(tmp_path):
    earlier, later = two_exports(tmp_path)
    pd.read_csv(earlier).drop(columns="リードID").to_csv(earlier, index=False)

    with pytest.raises(FileUnreadable, match="cannot be compared"):
        draft_files([later], today=TODAY, earlier=earlier)
