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
# # Retrain on a file, compare with the champion
#
# Three questions, in order: is the new model better than the one that serves, on leads that
# neither has seen? What would change for people? Shall it be proposed?
#
# Put your own files where `FOLDER` points. Without them, this notebook invents a history and
# keeps its registry in a scratch folder, so it runs anywhere and leaves nothing behind.

# %%
import tempfile
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from features.definition import load_definition
from features.errors import NotEnoughEvidence
from features.leads import read_history
from features.source_map import load_source_map
from training.bootstrap import paired_difference
from training.labels import label_history
from training.metrics import censoring_weights, evaluate
from training.pipeline import as_of_history, train_on
from training.recipe import learn
from training.registry import ModelNotFound, load_version, promote
from training.settings import TrainSettings
from training.splits import origin_at
from training.worlds import WorldSettings, make_world, write_world

FOLDER = None  # the folder of your files, with source_map.yaml and lead_definition.yaml beside them
LEADS = 8_000  # of the invented history
HORIZON = 90  # days at which the models are compared

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

today = as_of_history(history)
print(
    f"{len(history.leads)} leads, {len(history.events)} decisions, {len(history.behaviours)} acts"
)
for finding in history.findings:
    print("note:", finding)

# %% [markdown]
# ## The champion, and a candidate
#
# The candidate learns as of `cut_off`; the newest leads are kept for judging. If the registry has
# no champion yet, the model that would have been made half a year before takes its place.

# %%
cut_off = today - timedelta(days=180)
half_a_year_before = cut_off - timedelta(days=180)

try:
    champion = load_version(settings, settings.model_name)
except ModelNotFound:
    first = train_on(history, definition, as_of=half_a_year_before)
    version = first.log(settings).version
    promote(settings, settings.model_name, version)
    champion = load_version(settings, settings.model_name)

candidate = learn(history, definition, as_of=cut_off).scorer
print("champion ", champion.model_digest[:12], champion.horizons)
print("candidate", candidate.model_digest[:12], candidate.horizons)
if HORIZON not in set(champion.horizons) & set(candidate.horizons):
    raise NotEnoughEvidence(f"Both models must tell {HORIZON} days; set HORIZON to one they share.")

# %% [markdown]
# ## Better?
#
# Judged on worked leads that arrived in the 120 days after the cut-off, with what is known today.
# Leads not followed for long enough are not "lost": those that were followed stand for them
# (inverse probability of censoring weights).

# %%
# A champion that learnt after the cut-off has seen some of these leads and has an advantage here.
known = label_history(history, definition, today)
judged = origin_at(history, cut_off, test_days=120).test & known.worked
outcome, weight = censoring_weights(known.won_days[judged], known.follow_up_days[judged], HORIZON)

promised = {}
for name, scorer in {"champion": champion, "candidate": candidate}.items():
    probabilities = scorer.probabilities(scorer.encoder.encode_history(history)[judged])
    promised[name] = probabilities[:, scorer.horizons.index(HORIZON)]

figures = {name: evaluate(outcome, chance, weight) for name, chance in promised.items()}
names = ["n", "n_won", "auc", "pr_auc", "log_loss", "brier", "ece", "lift_10"]
pd.DataFrame(
    {who: {name: getattr(found, name) for name in names} for who, found in figures.items()}
).T.round(4)

# %%
difference = paired_difference(
    outcome, promised["candidate"], promised["champion"], metric="log_loss", weight=weight
)
print(
    f"log loss, candidate - champion: {difference.value:+.4f}, "
    f"95 % interval {difference.low:+.4f} to {difference.high:+.4f}"
)
print("below 0 the candidate is better; an interval across 0 says that this many leads cannot tell")

# %% [markdown]
# ## What changes for people?
#
# Leads that change sides of the break-even line, and what moved most on average. Contributions
# are points: 10 points double the odds.

# %%
line = definition.economics.break_even
before, after = promised["champion"] >= line, promised["candidate"] >= line
pd.crosstab(
    pd.Series(np.where(before, "handed off", "nurtured"), name="champion"),
    pd.Series(np.where(after, "handed off", "nurtured"), name="candidate"),
)


# %%
def mean_points(scorer):
    """Mean absolute points of each input at the horizon, over the judged leads."""
    codes = scorer.encoder.encode_history(history)[judged]
    contributions = scorer.tables.contributions(codes, HORIZON)
    points = 10 / np.log(2) * np.abs(contributions).mean(axis=0)
    return pd.Series(points, index=[one.name for one in scorer.encoder.inputs])


weights = pd.DataFrame(
    {"champion": mean_points(champion), "candidate": mean_points(candidate)}
).fillna(0.0)
weights.sort_values("candidate", ascending=False).head(8).round(1)

# %% [markdown]
# ## Propose
#
# The model to propose learns from all leads, the newest included. `promote` makes it the champion
# of the registry; the service goes on with the old one until someone approves the new one with
# `lead-serve approve`.

# %%
retrained = train_on(history, definition)
registered = retrained.log(settings, compared_with=champion.model_digest)
print(f"registered as version {registered.version} of {registered.name}")

if difference.high < 0.003:
    promote(settings, registered.name, registered.version)
    print(f"proposed; to serve it: lead-serve approve {registered.version} --why '…'")
else:
    print("not proposed: the newest leads do not show that it is at least as good")
