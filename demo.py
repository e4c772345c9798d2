"""The journey of one lead, end to end: what `python3 dev.py demo` runs inside `.venv`."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

import dev
from dev import Stopped, say

HOME = dev.ROOT / ".leads" / "demo"
LEADS, SEED = 8000, 7
A_DAY = timedelta(days=1)
ANEW = "`python3 dev.py demo --fresh` starts anew."
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def demo(options: argparse.Namespace) -> int:
    """Score one lead of an invented history over HTTP, then serve until Ctrl-C."""
    if options.fresh:
        shutil.rmtree(HOME, ignore_errors=True)
    state = learn()
    port = free_port(options.port, options.port) if options.port else free_port(8000, 8049)
    address = f"http://127.0.0.1:{port}"
    with serving(port) as service:
        wait_until_ready(address, service)
        answer = post(f"{address}/v1/score", state["example"])
        show(answer, address, sys.stderr if options.once else sys.stdout)
        if options.once:
            print(json.dumps(answer, ensure_ascii=False), flush=True)
            return 0
        say("Serving until you press Ctrl-C")
        return dev.wait_for(service)


def learn() -> dict[str, Any]:
    """Make the world, train, register, promote and approve, unless that was done before.

    A world is moved into place when it is whole. Training to approval counts as one step: when it
    was interrupted, its stores are dropped and it runs again.
    """
    world, kept = HOME / "world", HOME / "state.json"
    recipe = {"leads": LEADS, "seed": SEED, "kernel": kernel_digest()}
    state = dev.remembered(kept)
    if state.get("recipe") != recipe:
        if state:
            say("The last demo was made by other code; starting anew")
        shutil.rmtree(HOME, ignore_errors=True)
        state = {"recipe": recipe}
    if "example" not in state:
        say(f"Inventing a Japanese B2B history of {LEADS} leads (seed {SEED})")
        state["example"] = make_world(world)
        dev.remember(kept, state)
    if "version" not in state:
        for left in HOME.iterdir():
            if left not in {world, kept}:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        state["version"] = publish(world)
        dev.remember(kept, state)
    if not report_file().exists():
        fetch_report(state["version"])
    return state


def kernel_digest() -> str:
    """Return a digest of the code that models are bound to; after an update the demo is new."""
    code = hashlib.sha256()
    for path in sorted((dev.ROOT / "features").rglob("*")):
        if path.suffix in {".py", ".yaml"}:
            code.update(path.name.encode() + path.read_bytes())
    return code.hexdigest()


def make_world(world: Path) -> dict[str, Any]:
    """Write the world's files and return the request that scores one of its leads."""
    partial = world.with_name("world.partial")
    for folder in (partial, world):
        shutil.rmtree(folder, ignore_errors=True)
    HOME.mkdir(parents=True, exist_ok=True)
    size = ["--leads", str(LEADS), "--seed", str(SEED)]
    call("lead-train", "world", "--out", str(partial), *size)
    partial.rename(world)
    return example(world)


def example(world: Path) -> dict[str, Any]:
    """Return the request that scores a late and well described lead of the world."""
    from features.definition import load_definition
    from features.leads import read_history
    from features.source_map import load_source_map

    history = read_history(
        tables_of(world),
        load_definition(world / "lead_definition.yaml"),
        load_source_map(world / "source_map.yaml"),
    )
    late = history.leads.tail(len(history.leads) // 20)
    fields = history.fields.loc[late.index]
    acts = history.behaviours.merge(late[["lead_id", "arrived_at"]], on="lead_id")
    acts = acts[acts["at"] <= acts["arrived_at"] + A_DAY]
    n_acts = late["lead_id"].map(acts["lead_id"].value_counts()).fillna(0)
    place = int((fields.notna().sum(axis=1) * 100 + n_acts).to_numpy().argmax())
    lead = late.iloc[place]
    own = acts[acts["lead_id"] == lead["lead_id"]]
    return {
        "lead_id": lead["lead_id"],
        "as_of": (lead["arrived_at"] + A_DAY).isoformat(),
        "fields": fields.iloc[place].dropna().to_dict(),
        "events": [
            {"kind": kind, "at": at.isoformat()}
            | ({} if math.isnan(amount) else {"amount": float(amount)})
            for kind, at, amount in zip(own["kind"], own["at"], own["amount"], strict=True)
        ],
    }


def tables_of(world: Path) -> list[str]:
    """Return the world's tables, as a company would export them."""
    return [str(world / f"{name}.csv") for name in ("leads", "decisions", "activities")]


def publish(world: Path) -> str:
    """Train on the world's files and return the version that is now promoted and approved."""
    from training.gate_words import verdict_text

    say("Training on it, judging on days in the past, registering the model")
    leads = [part for table in tables_of(world) for part in ("--leads", table)]
    maps = ["--source-map", str(world / "source_map.yaml")]
    maps += ["--definition", str(world / "lead_definition.yaml")]
    trained = json.loads(call("lead-train", "train", *leads, *maps, "--json"))
    version = str(trained["version"])
    say(f"The gate says: {verdict_text(trained['evaluation']['verdict'])}")
    say(f"Promoting version {version}, approving it for the service")
    call("lead-train", "promote", version)
    call("lead-serve", "approve", version, "--why", "The demo approves its own model")
    return version


def fetch_report(version: str) -> None:
    """Write the model's report beside its store; it is there whole or not at all."""
    partial = report_file().with_name("report.partial")
    call("lead-train", "report", version, "--out", str(partial))
    partial.replace(report_file())


def report_file() -> Path:
    """Return where the report of the demo's model lies."""
    return HOME / "report.html"


def environment() -> dict[str, str]:
    """Return the children's environment; the caller's own settings stay out of the demo.

    A first look needs no choice among recipes, which may take minutes: the default one learns.
    The demo's service listens on this machine only and asks nobody for a key, so that its pages
    open with a click. All else is as it is by default, so the report is whole.
    """
    inherited = dev.child_environment()
    kept = {k: v for k, v in inherited.items() if not k.startswith(("LEAD_", "MLFLOW_"))}
    own = {"LEAD_HOME": str(HOME), "LEAD_CHOICE_SECONDS": "0", "LEAD_ACCESS": "open"}
    return {**kept, **own, "MLFLOW_DISABLE_TELEMETRY": "true"}


def call(name: str, *arguments: str) -> str:
    """Run a command for the demo; its messages are shown, its standard output is returned."""
    command = [dev.tool(name), *arguments]
    with subprocess.Popen(
        command, cwd=dev.ROOT, env=environment(), stdout=subprocess.PIPE, encoding="utf-8"
    ) as child:
        try:
            output, _ = child.communicate()
        finally:
            dev.stop(child)
    if child.returncode:
        raise Stopped(
            f"`{name} {arguments[0]}` ended with code {child.returncode}; its message is above. "
            + ANEW
        )
    return output


@contextlib.contextmanager
def serving(port: int) -> Any:
    """Run the service on `port` inside the block; it is stopped at the end, whatever happens."""
    say(f"Starting the service on port {port}")
    command = [dev.tool("lead-serve"), "serve", "--port", str(port)]
    with (HOME / "serve.log").open("w", encoding="utf-8") as log:
        service = subprocess.Popen(command, cwd=dev.ROOT, env=environment(), stdout=log, stderr=log)
        try:
            yield service
        finally:
            for number in (
                signal.SIGINT,
                signal.SIGTERM,
            ):  # a second Ctrl-C does not cut this short
                signal.signal(number, signal.SIG_IGN)
            dev.stop(service)


def free_port(first: int, last: int) -> int:
    """Return the first port from `first` to `last` that nothing listens on."""
    for port in range(first, last + 1):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(os.name != "nt"))
            probe.bind(("127.0.0.1", port))
            return port
    raise Stopped(f"No port from {first} to {last} is free. Name a free one with --port.")


def wait_until_ready(address: str, service: subprocess.Popen[Any]) -> None:
    """Wait until the service says that it can score."""
    began = time.monotonic()
    patience = 120.0
    while time.monotonic() - began < patience and service.poll() is None:
        try:
            DIRECT.open(f"{address}/readyz", timeout=5).close()
            return
        except urllib.error.HTTPError as refusal:  # it is up, and says what it lacks
            refusal.close()
            patience = min(patience, time.monotonic() - began + 15)
            time.sleep(0.1)
        except (urllib.error.URLError, ConnectionError, TimeoutError):  # nobody listens yet
            time.sleep(0.1)
    log = (HOME / "serve.log").read_text("utf-8", errors="replace").splitlines()
    last = [line for line in log if "lead_serve.access" not in line][-15:]
    last.append(f"The service did not get ready; its last lines are above. {ANEW}")
    raise Stopped("\n".join(last))


def post(address: str, document: dict[str, Any]) -> dict[str, Any]:
    """POST a JSON document and return the JSON answer."""
    body, kind = json.dumps(document).encode(), {"Content-Type": "application/json"}
    with DIRECT.open(urllib.request.Request(address, body, kind), timeout=30) as answer:
        answered: dict[str, Any] = json.load(answer)
    return answered


def show(answer: dict[str, Any], address: str, where: TextIO) -> None:
    """Print one scored lead as a person reads it, and where to look next."""
    lead, decision = answer["lead_id"], f"{answer['decision']} ({answer['decision_reason']})"
    lines = ["", f"Lead {lead}: score {answer['score']}, grade {answer['grade']}, {decision}"]
    for language in ("ja", "en"):
        lines.append("")
        for factor in answer["factors"]:
            lines.append(f"  {factor['points']:+6.1f}  {factor['text'][language]}")
    store = f"sqlite:///{HOME / 'mlflow.db'}"
    lines += [
        "",
        f"  This lead's page  {address}/leads/{lead}",
        f"  The whole model   {address}/model",
        f"  The API           {address}/openapi.json",
        "  Who may call      everybody on this machine (LEAD_ACCESS=open); your own service asks",
        "                    for a key, see docs/guide/first_steps.md",
        f"  Runs and models   {dev.tool('mlflow')} ui --backend-store-uri {store}",
        f"  The report        {report_file()}  (open it in a browser)",
        "",
    ]
    print("\n".join(lines), file=where, flush=True)


if __name__ == "__main__":
    chosen = dev.demo_options(argparse.ArgumentParser(prog="dev.py demo")).parse_args()
    sys.exit(dev.guarded(lambda: demo(chosen)))
