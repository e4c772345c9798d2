"""Settings: from the environment, checked, listed, never repeated."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from serving.settings import ServeSettings, SettingsInvalid, describe_settings, read_settings


def test_everything_has_a_default_under_the_home() -> None:
    settings = ServeSettings(access="open", home=Path("there"))

    assert settings.database_address.endswith("/there/lead_serve.db")
    assert settings.tracking_address.endswith("/there/mlflow.db")
    assert settings.models_folder == Path("there/models")
    assert settings.host == "127.0.0.1"


def test_the_environment_is_read_and_the_command_line_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAD_PORT", "9000")
    monkeypatch.setenv("LEAD_DATABASE_URL", "sqlite:///x.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow")

    settings = read_settings(port=9001, host=None)

    assert (settings.port, settings.host) == (9001, "127.0.0.1")
    assert settings.database_address == "sqlite:///x.db"
    assert settings.tracking_address == "http://mlflow"


def test_every_wrong_setting_is_named_and_no_value_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("LEAD_PORT", "LEAD_FACTORS", "LEAD_LANGUAGE"):
        monkeypatch.setenv(name, "hunter2")

    with pytest.raises(SettingsInvalid, match=r"^3 setting\(s\) cannot be used") as caught:
        read_settings()

    for name in ("LEAD_PORT", "LEAD_FACTORS", "LEAD_LANGUAGE"):
        assert name in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_settings_do_not_change_once_made() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ServeSettings().port = 1


def test_every_setting_is_explained_in_the_guide() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guide" / "api.md").read_text("utf-8")

    for name, _, meaning in describe_settings():
        assert meaning
        assert f"`{name}`" in guide
