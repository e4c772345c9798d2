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
# # Compare with the model in use, and propose
#
# Three questions, in order: is the challenger better than the champion on the same leads? What did
# the feedback change, and for whom? Shall it be proposed, and how is that taken back?
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
from features.leads import read_history
from features.source_map import load_source_map
from training.pipeline import Rules, as_of_history, train_on
from training.promotion import Override, PromotionRefused, champions, promote, rollback
from training.registry import ModelNotFound, load_champion
from training.settings import TrainSettings
from training.worlds import WorldSettings, make_world, write_world

FOLDER = None  # the folder of your files, with source_map.yaml and lead_definition.yaml beside them
LEADS = 8_000  # of the invented history

scratch = Path(tempfile.mkdtemp(prefix="leads-"))
settings = TrainSettings() if FOLDER else TrainSettings(home=scratch / "registry")
folder = Path(FOLDER) if FOLDER else scratch / "world"
if not FOLDER:
    write_world(make_world(WorldSettings(n_leads=LEADS, seed=11)), folder)

definition = load_definition(folder / "lead_definition.yaml")
source_map = load_source_map(folder / "source_map.yaml")
history = read_history(sorted(folder.glob("*.csv")), definition, source_map)
name = settings.model_name

# %% [markdown]
# ## The champion
#
# With your own files, the one of your registry. Here it is the model that would have been made ten
# months ago, from what was known then. That was too little for the gate, so somebody has to answer
# for it; the name and the reason are kept.

# %%
if not FOLDER:
    ten_months_ago = as_of_history(history) - timedelta(days=300)
    first = train_on(history, definition, as_of=ten_months_ago, rules=Rules(draws=0))
    print("first model:", first.verdict.in_words("en"))
    answers = Override("the notebook", "so that there is a model to compare with")
    promote(settings, name, first.log(settings).version, override=answers)
champion = load_champion(settings, name)
if champion is None:
    raise ModelNotFound(f"{name} has no champion yet: lead-train train, then lead-train promote.")
print(f"champion: version {champion.version}, learnt until {champion.as_of:%Y-%m-%d}")

# %% [markdown]
# ## The challenger
#
# It learns from everything known today. Both are asked about the same leads on four days in the
# past, and neither may have seen them: the challenger's recipe is learnt anew on each day. So is
# the champion's on days before it was made, where the two do not differ; after that the champion
# answers as it is.

# %%
challenger = train_on(history, definition, rules=Rules(champion, draws=0))
facts = challenger.scorer.evaluation
main = facts["main_horizon"]
rows = pd.DataFrame(facts["by_origin"])
rows = rows[(rows["horizon"] == main) & rows["model"].isin(["champion", "student"])]
rows["cut_off"] = rows["cut_off"].str[:10]
figures = ["log_loss", "auc", "predicted_over_observed"]
rows["predicted_over_observed"] = rows["predicted_over_observed"].str[0]
rows.pivot(index=["cut_off", "n", "n_won"], columns="model", values=figures).astype(float).round(3)

# %%
for one in facts["against_champion"]["by_horizon"]:
    value, low, high = one["difference"]
    print(
        f"{one['horizon']:4} days: log loss, challenger - champion: {value:+.4f}, "
        f"95 % interval {low:+.4f} to {high:+.4f}"
    )
print("below 0 the challenger is better; an interval across 0: this many leads cannot tell")

# %% [markdown]
# ## What the feedback changed
#
# New outcomes, and why sales turned leads away, since the champion was made; then the values whose
# points moved most, over the same leads. 10 points double the odds.

# %%
feedback = facts["feedback"]
new, moved = feedback["new"], feedback["leads"]
print(f"since {feedback['since'][:10]}: {new['leads']} new leads, {new['won']} wins, rejections:")
print(", ".join(f"{reason} {n}" for reason, n in new["rejections"].items()))
print(f"grades: {moved['up']} leads rose, {moved['down']} fell, {moved['same']} stayed")
pd.DataFrame(
    [
        (one["field"], one["value"]["en"], one["n"], one["before"], one["after"])
        for one in feedback["fields"]
    ],
    columns=["field", "value", "leads", "points before", "points now"],
).round(1)

# %% [markdown]
# For people it matters which leads change sides of the break-even line, above which a call pays.

# %%
line = definition.economics.break_even
sides = {}
for who, scorer in {"champion": champion.scorer, "challenger": challenger.scorer}.items():
    promised = scorer.probabilities(scorer.encoder.encode_history(history))
    is_above = promised[:, scorer.horizons.index(scorer.main_horizon)] >= line
    sides[who] = pd.Series(np.where(is_above, "handed off", "nurtured"), name=who)
pd.crosstab(sides["champion"], sides["challenger"])

# %% [markdown]
# ## Propose
#
# `promote` makes the challenger the champion of the registry if the gate lets it; the service goes
# on with the old one until someone approves the new one with `lead-serve approve`.

# %%
registered = challenger.log(settings)
print(f"registered as version {registered.version} of {registered.name}")
print(challenger.verdict.in_words("en"))
try:
    promote(settings, name, registered.version)
    print(f"proposed; to serve it: lead-serve approve {registered.version} --why '…'")
except PromotionRefused as refusal:
    print(refusal)

# %% [markdown]
# ## Take it back
#
# The champion before this one is champion again. On your own registry, do that only when you mean
# it. Every change stays written down, with who answered for it.

# %%
if not FOLDER and load_champion(settings, name).version == registered.version:
    back = rollback(settings, name, by="the notebook", why="to show the way back")
    print(f"champion again: version {back.registered.version}")
pd.DataFrame(
    [(one.version, one.rolled_back, one.by, one.why) for one in champions(settings, name)],
    columns=["version", "rolled back", "by", "why"],
)
