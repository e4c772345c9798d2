"""``lead-serve key`` and ``lead-serve account``: what they print, and what they never print."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from serving import cli
from serving.commands.who import account_name
from serving.settings import ServeSettings
from serving.store import open_store
from serving.store.accounts import Accounts
from serving.store.keys import Key, Keys

SHOWN = re.compile(r"lq_[a-z0-9]{8}_[A-Za-z0-9_-]{43}")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LEAD_HOME", str(tmp_path))
    return tmp_path


class Typed:
    """Types commands and returns what came of them: code, standard output, standard error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, line: str, stdin: str = "") -> tuple[int, str, str]:
        self._monkeypatch.setattr("sys.argv", ["lead-serve", *line.split()])
        self._monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = self._capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err


@pytest.fixture
def typed(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(monkeypatch, capsys)


def keys_in(home: Path) -> list[Key]:
    store = open_store(ServeSettings(home=home).database_address)
    try:
        return Keys(store).all()
    finally:
        store.close()


def test_a_key_is_shown_once_on_standard_output_alone(home: Path, typed: Typed) -> None:
    code, out, err = typed("key add --name hubspot --scope score,read --scope events --days 30")

    assert code == 0
    assert SHOWN.fullmatch(out.strip())
    assert not SHOWN.search(err)
    (key,) = keys_in(home)
    assert (key.name, key.scopes) == ("hubspot", frozenset({"score", "read", "events"}))
    assert key.expires_at is not None
    assert timedelta(days=29) < key.expires_at - datetime.now(UTC) <= timedelta(days=30)
    _, listed, _ = typed("key list")
    assert f"lq_{key.key_id}_…  hubspot  events,read,score  until " in listed
    assert out.strip()[12:] not in listed


def test_a_key_is_rotated_and_revoked_by_what_the_list_shows(home: Path, typed: Typed) -> None:
    typed("key add --name hubspot --scope score")
    old = keys_in(home)[0].key_id

    code, out, err = typed(f"key rotate lq_{old}_… --overlap-hours 2 --days 365")
    assert (code, bool(SHOWN.fullmatch(out.strip()))) == (0, True)
    assert f"lq_{old}_… still opens for 2 hours" in err
    code, out, _ = typed(f"key revoke {old}")
    assert (code, f"lq_{old}_… (hubspot) is revoked" in out) == (0, True)

    assert [(key.name, key.is_active(datetime.now(UTC))) for key in keys_in(home)] == [
        ("hubspot", True),
        ("hubspot", False),
    ]
    assert "revoked" in typed("key list")[1]


def test_a_whole_key_given_by_mistake_is_not_repeated(home: Path, typed: Typed) -> None:
    _, shown, _ = typed("key add --name x --scope read")

    code, out, err = typed(f"key revoke {shown.strip()}")

    assert code == 0
    assert not SHOWN.search(out + err)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("key add --name x --scope root", "Name one or more of these rights: score, events"),
        ("key revoke nosuchid", "There is no such key"),
        ("account disable nobody", "There is no such account"),
        ("account add hanako --scope read", "at least 12 characters"),
        ("account password nobody", "at least 12 characters"),
    ],
)
def test_what_cannot_be_done_is_one_message(home: Path, typed: Typed, line: str, said: str) -> None:
    code, out, err = typed(line, "short\n")

    assert (code, out) == (1, "")
    assert said in err
    assert "Traceback" not in err
    assert "short" not in err.replace("too short", "")


@pytest.mark.parametrize("line", ["key add --scope read", "key add --name x", "account add", "key"])
def test_wrong_use_is_exit_code_2(home: Path, typed: Typed, line: str) -> None:
    assert typed(line)[0] == 2


def test_accounts_are_made_listed_changed_and_closed(home: Path, typed: Typed) -> None:
    assert "no account yet" in typed("account list")[1]
    assert typed("account add hanako --scope read,export", "correct horse battery\n")[0] == 0
    assert typed("account add taro", "correct horse battery\n")[0] == 0
    assert typed("account disable taro")[0] == 0
    assert typed("account password hanako", "another horse battery\n")[0] == 0

    _, listed, _ = typed("account list")
    today = f"{datetime.now(UTC):%F}"
    assert f"hanako  export,read  since {today}\n" in listed
    assert f"taro  read  since {today}  disabled {today}\n" in listed
    assert "There is an account of this name" in typed("account add taro", "x" * 12)[2]
    store = open_store(ServeSettings(home=home).database_address)
    assert {one.name for one in Accounts(store).all()} == {"hanako", "taro"}
    store.close()


def test_no_key_yet_says_how_to_make_the_first(home: Path, typed: Typed) -> None:
    assert "lead-serve key add --name first --scope score" in typed("key list")[1]


def test_an_open_door_on_a_foreign_address_is_refused_at_the_start(
    home: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAD_ACCESS", "open")

    code, _, err = typed("serve --host 0.0.0.0 --port 0")

    assert (code, "LEAD_ACCESS=open lets everybody in" in err) == (1, True)


def test_an_account_of_a_container_without_a_name_can_type_commands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 10001")

    monkeypatch.setattr("getpass.getuser", nameless)

    assert account_name() == "command line"
