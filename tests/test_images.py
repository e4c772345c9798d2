"""The images: what is installed, who runs it, what may be reached. No daemon is needed for this.

The images themselves are not built here; `docs/guide/operate.md` says so.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import dev
from serving.settings import ServeSettings

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text("utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE)["services"]


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, continued lines joined, comments left out."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]  # type: ignore[misc]


def stages() -> dict[str, list[tuple[str, str]]]:
    """Return the instructions of each stage by its name."""
    found: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for word, rest in instructions():
        if word == "FROM":
            name = rest.split(" AS ")[1]
            found[name] = []
        if name:
            found[name].append((word, rest))
    return found


FINAL = ("service", "registry")


def test_every_stage_has_a_name_and_the_service_is_the_default():
    assert list(stages())[-1] == "service"
    assert {
        name for _, name in (rest.split(" AS ") for word, rest in instructions() if word == "FROM")
    } == set(stages())


@pytest.mark.parametrize("lock", dev.PARTS, ids=lambda path: path.name)
def test_what_an_image_installs_is_locked_with_hashes_and_comes_as_wheels(lock):
    (install,) = [rest for word, rest in instructions() if word == "RUN" and lock.name in rest]

    assert {"--require-hashes", "--no-deps", "--only-binary=:all:"} <= set(install.split())


def test_nothing_is_fetched_but_locked_packages():
    words = [word for word, _ in instructions()]
    runs = " ".join(rest for word, rest in instructions() if word == "RUN")

    assert "ADD" not in words
    assert not re.search(r"\b(curl|wget|apt-get|apk|git|npm)\b", runs)
    assert "://" not in runs.replace("http://127.0.0.1", "")
    assert not re.search(r"--(extra-)?index|--find-links|--trusted-host", runs)
    assert not any(word == "RUN" and "--mount" in rest for word, rest in instructions())


@pytest.mark.parametrize("name", FINAL)
def test_a_final_image_runs_as_an_account_without_rights_and_says_how_it_is(name):
    stage = dict(stages()[name])

    assert stage["USER"] == "10001:10001"
    assert stage["STOPSIGNAL"] == "SIGTERM"
    assert "urllib.request" in stage["HEALTHCHECK"]
    assert ("/livez" if name == "service" else "/health") in stage["HEALTHCHECK"]
    assert stage["VOLUME"] == {"service": "/var/lib/lead", "registry": "/var/lib/mlflow"}[name]
    assert stage["ENTRYPOINT"].startswith("[")  # no shell in between: signals arrive
    last = [word for word, _ in stages()[name]]
    assert not {"RUN", "COPY"} & set(last[last.index("USER") :])


def test_a_final_image_has_no_installer_and_no_secret():
    base = " ".join(rest for _, rest in stages()["base"])

    assert "pip uninstall" in base
    assert "ensurepip" in base
    for name in ("base", *FINAL):
        assert not any(
            "compileall" in rest or ("pip" in rest and " install --" in rest)
            for _, rest in stages()[name]
        )
        names = " ".join(rest for word, rest in stages()[name] if word in ("ENV", "ARG"))
        assert not re.search(r"PASSWORD|SECRET|TOKEN|KEY", names)


def test_only_what_is_copied_reaches_the_builder():
    allowed = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] not in "#"
    ]
    copied = {
        part
        for word, rest in instructions()
        if word == "COPY" and "--from" not in rest
        for part in rest.split()[:-1]
    }

    assert allowed[0] == "*"
    assert copied == {line[1:] for line in allowed if line.startswith("!")}
    assert all((ROOT / part).exists() for part in copied)


def test_the_image_sets_only_settings_that_exist():
    named = set(re.findall(r"\bLEAD_[A-Z_]+", DOCKERFILE + COMPOSE))

    assert named <= {f"LEAD_{name.upper()}" for name in ServeSettings.model_fields}


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_locked_down(name):
    container = SERVICES[name]

    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert "cap_add" not in container
    assert not container.get("privileged")
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert container["healthcheck"]["test"][0] == "CMD"
    assert container["restart"] == "unless-stopped"
    assert any(entry.startswith("/tmp") for entry in container["tmpfs"])
    assert not any(volume.startswith(("/", ".")) for volume in container["volumes"])


def test_only_the_service_is_reached_and_only_from_this_machine():
    published = {name: container.get("ports", []) for name, container in SERVICES.items()}
    networks = yaml.safe_load(COMPOSE)["networks"]

    assert [name for name, ports in published.items() if ports] == ["service"]
    assert all(port.startswith("127.0.0.1:") for port in published["service"])
    assert networks["inside"] == {"internal": True}
    assert {name for name, c in SERVICES.items() if "outside" in c["networks"]} == {"service"}
    assert not any("network_mode" in container for container in SERVICES.values())


def test_no_secret_has_a_default_and_a_missing_one_is_named():
    secret = {
        f"{name}.{key}": value
        for name, container in SERVICES.items()
        for key, value in container["environment"].items()
        if re.search(r"PASSWORD|SECRET|TOKEN", key)
    }

    assert len(secret) == 5
    for key, value in secret.items():
        found = re.fullmatch(r"\$\{([A-Z_]+):\?set \1\b.+\}", value)
        assert found is not None, key


def test_the_service_waits_for_its_database_but_not_for_mlflow():
    assert SERVICES["service"]["depends_on"] == {"database": {"condition": "service_healthy"}}


def test_mlflow_asks_who_is_calling_and_takes_only_its_own_name():
    (start,) = [rest for word, rest in stages()["registry"] if word == "CMD"]

    assert '"--app-name", "basic-auth"' in start
    assert '"--allowed-hosts", "mlflow,' in start


def test_no_container_may_pass_by_sign_in():
    assert "LEAD_ACCESS" not in DOCKERFILE + COMPOSE
    assert ServeSettings().access == "keys"
