"""Cases that schemathesis makes from the OpenAPI document, sent to a real service.

It knows the shapes that the document promises; `tests/serving/test_hostile_corpus.py` sends the bytes
that it does not think of.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.served import serve

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance"
AWAY = "^/v1/(approvals|rollback)$"
"""What asks MLflow, which is not there, may answer 503 to a good request."""


@pytest.mark.parametrize(
    ("phases", "examples", "at_least"),
    [
        ("examples,fuzzing", 15, 250),
        pytest.param("examples,coverage,fuzzing", 400, 8_000, marks=pytest.mark.fuzz),
    ],
)
def test_no_case_of_the_document_gets_an_answer_that_is_not_in_it(
    home: Path, tmp_path: Path, phases: str, examples: int, at_least: int
) -> None:
    report = tmp_path / "report.json"
    with serve(home, tmp_path / "log", rate_per_minute=10_000_000) as served:
        command = [
            str(Path(sys.executable).with_name("st")),
            "run",
            f"{served.address}/openapi.json",
        ]
        command += ["--phases", phases, "--mode", "all", "--seed", "1"]
        command += ["--max-examples", str(examples), "--checks", CHECKS, "--continue-on-failure"]
        command += ["--exclude-path-regex", AWAY]
        command += [
            "--generation-allow-x00",
            "true",
            "--generation-database",
            "none",
            "--no-shrink",
        ]
        command += ["--suppress-health-check", "all", "--no-color", "--warnings", "off"]
        command += ["--report", "json", "--report-json-path", str(report)]
        ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        is_alive = served.ask("GET", "/livez")[0] == 200

    assert is_alive
    assert ran.returncode == 0, ran.stdout[-6_000:]
    told = json.loads(report.read_text("utf-8"))
    assert told["test_cases"]["generated"] >= at_least
    assert told["operations"]["tested"] == told["operations"]["selected"] > 20
