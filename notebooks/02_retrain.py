# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Retrain on a file
#
# Three questions, in order: does a field know the future? How good is the model on leads that it
# had not seen? May it be used? What `lead-train train` does, step by step, to look into.
#
# Put your own files where `FOLDER` points. Without them, this notebook invents a history and
# keeps its registry in a scratch folder, so it runs anywhere and leaves nothing behind.

# %%
import tempfile
from pathlib import Path

import pandas as pd

from features.definition import load_definition
from features.leads import read_history
from features.source_map import load_source_map
from training.leaks import scan_history
from training.pipeline import Rules, as_of_history, train_on
from training.registry import load_champion, load_report
from training.settings import TrainSettings
from training.worlds import WorldSettings, make_world, write_world

FOLDER = None  # the folder of your files, with source_map.yaml and lead_definition.yaml beside them
LEADS = 8_000  # of the invented history

pd.options.display.max_colwidth = None  # sentences are shown whole
scratch = Path(tempfile.mkdtemp(prefix="leads-"))
settings = TrainSettings() if FOLDER else TrainSettings(home=scratch / "registry")
folder = Path(FOLDER) if FOLDER else scratch / "world"
if not FOLDER:
    write_world(make_world(WorldSettings(n_leads=LEADS, seed=11)), folder)

# %% [markdown]
# ## Read
#
# Everything wrong in a file is reported at once; nothing is dropped silently. What is only a
# warning is listed.

# %%
definition = load_definition(folder / "lead_definition.yaml")
source_map = load_source_map(folder / "source_map.yaml")
history = read_history(sorted(folder.glob("*.csv")), definition, source_map)

print(
    f"{len(history.leads)} leads, {len(history.events)} decisions, {len(history.behaviours)} acts"
)
for finding in history.findings:
    print("note:", finding)

# %% [markdown]
# ## Does a field know the future?
#
# A column that is filled in after hand-off makes every test look brilliant, and the model useless.
# What the scan calls a leak or suspect keeps the model from being published, until somebody
# settles it: by `known: later`, or by accepting it with name and reason (`accepted_findings` of the
# definition). A note blocks nothing.

# %%
scan = scan_history(history, definition, as_of=as_of_history(history))
print(f"{len(scan.findings)} findings, {len(scan.blocking)} of them block")
pd.DataFrame(
    [(one.severity, one.field, one.signal, one.what.en) for one in scan.findings],
    columns=["severity", "field", "signal", "what"],
)

# %% [markdown]
# ## Train, and judge
#
# The same recipe stands on four days in the past, knows what was known then, and is judged on the
# leads that came after; then it learns from all leads, the newest included. The gate weighs all of
# it. `choice_seconds` is time to choose among recipes; 0 takes the usual one.

# %%
champion = load_champion(settings, settings.model_name)
model = train_on(history, definition, rules=Rules(champion, choice_seconds=0), tell=print)

# %%
main = model.scorer.main_horizon
figures = ["n", "n_won", "auc", "log_loss", "brier", "ece", "lift_10"]
pd.DataFrame(
    {
        row.model: {figure: getattr(row.evaluation, figure) for figure in figures}
        for row in model.backtest.rows
        if row.horizon == main
    }
).T.round(4)

# %% [markdown]
# `student` is the model that would be served. The others were judged on the same leads, except
# `lightgbm_tuned`, whose search takes long: only on those of the newest day. `teacher` knows in
# addition that sales accepted the lead.
#
# ## May it be used?
#
# Each condition in a sentence, with its figure; `None` says that it could not be told. The limits
# are in the report.

# %%
print(model.verdict.in_words("en"))
pd.DataFrame(
    [(one.name, one.passed, one.words.en) for one in model.verdict.conditions],
    columns=["condition", "passed", "what was found"],
)

# %% [markdown]
# ## Keep it, and read its report
#
# Logging makes a version of the registered model. Nothing uses it yet: `lead-train promote`
# proposes it, and the service waits for `lead-serve approve`. The report says all of this, with
# pictures, in Japanese and English.

# %%
registered = model.log(settings)
_, page = load_report(settings, registered.name, registered.version)
report = (Path(FOLDER) if FOLDER else scratch) / "report.html"
report.write_text(page, encoding="utf-8")
print(f"registered as version {registered.version} of {registered.name}")
print(f"its report: {report.name}, {len(page) // 1000} kB, to be opened in any browser")
