"""The table of decision 0011: half a year under five rules of handing over, value by regime.

Run with ``python -m tests.bench.line_table``; about a minute.
"""

from __future__ import annotations

from statistics import fmean

from tests.serving.weeks_of_sales import REGIMES, RULES, audited_and_expected, draw_year, play

SEEDS = (1, 2, 3, 4)
PER_WEEK = 100


def main() -> None:
    """Print the table, and drawn against expected leads of the audit lane."""
    print(f"| regime | {' | '.join(RULES)} | audited (expected) |")
    print("| --- " * (len(RULES) + 2) + "|")
    for name, regime in REGIMES.items():
        years = [draw_year(regime, seed, PER_WEEK) for seed in SEEDS]
        cells = [f"{fmean(play(year, rule) for year in years):,.0f}" for rule in RULES.values()]
        drawn = [audited_and_expected(year) for year in years]
        n, expected = sum(one[0] for one in drawn), sum(one[1] for one in drawn)
        print(f"| {name} | {' | '.join(cells)} | {n} ({expected:.0f}) |")


if __name__ == "__main__":
    main()
