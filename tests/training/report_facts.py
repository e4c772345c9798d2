"""The content of ``evaluation.json`` with every part of it filled: what a report can show."""

from __future__ import annotations

from typing import Any

__all__ = ["full_facts"]


def full_facts() -> dict[str, Any]:
    """Return facts in which every section has something to say."""
    words = {"ja": "十分な受注があります", "en": "There are enough wins"}
    rows = [
        {
            "model": model,
            "horizon": horizon,
            "n": 1834,
            "n_won": 203,
            "auc": 0.741,
            "pr_auc": 0.25,
            "log_loss": 0.3012 + 0.01 * place,
            "brier": 0.08,
            "ece": 0.012,
            "lift_10": 2.61,
            "predicted_over_observed": 0.97,
            "against_student": None if model == "student" else [-0.0093, -0.015, -0.004],
        }
        for horizon in (90, 180)
        for place, model in enumerate(("student", "champion", "base_rate", "linear"))
    ]
    return {
        "mode": "history",
        "as_of": "2026-11-01T00:00:00+09:00",
        "cut_off": "2026-02-01T00:00:00+09:00",
        "main_horizon": 180,
        "note": "",
        "n_train": 9000,
        "n_test": 1834,
        "calibration_shift": -0.08,
        "learnt": {
            "n_leads": 16000,
            "worked": 6349,
            "wins": 879,
            "rejected": 6800,
            "pending": 410,
            "untouched": 2100,
            "left_out": 341,
            "method": "student",
            "main_horizon": 180,
        },
        "reasons": [
            {"reason": "no_fit", "treatment": "shift", "n": 1912},
            {"reason": "capacity", "treatment": "leave_out", "n": 140},
            {"reason": "competitor_student_spam", "treatment": "zero", "n": 377},
            {"reason": "lost_price", "treatment": "worked", "n": 811},
        ],
        "results": rows,
        "by_origin": [
            {
                "cut_off": day,
                "model": "student",
                "horizon": 180,
                "n": 458,
                "n_won": 50,
                "log_loss": 0.31,
                "auc": 0.74,
                "predicted_over_observed": [0.95, 0.8, 1.12],
            }
            for day in ("2025-08-01", "2025-11-01", "2026-02-01")
        ],
        "origins": [
            {"cut_off": day, "n_train": 7000, "n_test": 458, "n_won": 50, "shift": -0.05}
            for day in ("2025-08-01", "2025-11-01", "2026-02-01")
        ],
        "reliability": [
            {
                "predicted": 0.02 * k + 0.01,
                "observed": 0.021 * k + 0.012,
                "low": 0.015 * k,
                "high": 0.03 * k + 0.03,
                "n": 183,
            }
            for k in range(10)
        ],
        "gains": [
            {
                "share": k / 10,
                "won_share": 1 - (1 - k / 10) ** 2,
                "rate": 0.25 - 0.014 * k,
                "rate_low": 0.2 - 0.014 * k,
                "rate_high": 0.3 - 0.014 * k,
            }
            for k in range(1, 11)
        ],
        "capacity": {
            "per_week": 40,
            "weeks": 20,
            "precision": [0.21, 0.18, 0.25],
            "all": 0.11,
            "expected_wins": 160.0,
            "observed_wins": 168.0,
        },
        "curve": [
            {
                "days": days,
                "promised": days / 2000,
                "observed": days / 1900,
                "low": days / 2300,
                "high": days / 1600,
            }
            for days in (0, 30, 90, 180, 365)
        ],
        "slices": [
            {
                "field": "source",
                "value": value,
                "field_names": {"ja": "流入元", "en": "Source"},
                "value_names": {"ja": ja, "en": en},
                "n": 400,
                "n_won": 44,
                "promised": 0.11,
                "observed": [0.11, 0.08, 0.14],
                "predicted_over_observed": ratio,
                "log_loss": 0.3,
                "champion_predicted_over_observed": None,
            }
            for value, ja, en, ratio in (
                ("webinar", "ウェビナー", "Webinar", [0.7, 0.52, 0.93]),
                ("<b>x</b>", "<b>x</b>", "<b>x</b>", [1.0, 0.8, 1.25]),
            )
        ],
        "accounts": {
            "accepted": {"n": 6349, "n_won": 879, "promised": 0.13, "observed": [0.14, 0.13, 0.15]},
            "rejected": {"n": 6800, "promised": 0.07, "n_won_anyway": 31, "note": ""},
            "left_out": {"n": 341, "promised": 0.1, "note": ""},
            "never_worked": {"n": 2100, "promised": 0.09, "note": ""},
        },
        "audit": {
            "n": 263,
            "n_won": 24,
            "log_loss": 0.21,
            "champion_log_loss": 0.22,
            "difference": [-0.01, -0.03, 0.01],
        },
        "against_champion": {
            "version": "3",
            "relearnt": True,
            "has_seen": False,
            "by_horizon": [
                {"horizon": 180, "difference": [-0.006, -0.009, -0.003], "auc_difference": 0.01}
            ],
        },
        "verdict": {
            "level": "ready",
            "rule": "better",
            "may_be_promoted": True,
            "champion_version": "3",
            "words": {"ja": "このモデルは今より良い", "en": "Better than the model in use"},
            "conditions": [
                {
                    "name": "wins",
                    "passed": True,
                    "figure": "203",
                    "limit": "< 1e-06",
                    "words": words,
                },
                {
                    "name": "leaks",
                    "passed": False,
                    "figure": {"ja": "1件 <残り>", "en": "1 <left>"},
                    "limit": {"ja": "0件", "en": "none"},
                    "words": words,
                },
                {"name": "audit", "passed": None, "figure": "–", "limit": "20", "words": words},
            ],
        },
        "leaks": {
            "n_leads": 16000,
            "n_blocking": 1,
            "findings": [
                {
                    "field": "ランク",
                    "signal": "purity",
                    "severity": "leak",
                    "what": {"ja": "Sは全件受注", "en": "All leads with S were won"},
                    "remedy": {"ja": "営業に確かめる", "en": "Ask sales when it is filled in"},
                    "evidence": {"n": 120},
                    "accepted": None,
                },
                {
                    "field": "occupation",
                    "signal": "missingness",
                    "severity": "suspect",
                    "what": {"ja": "空欄は受注しない", "en": "Blank leads are never won"},
                    "remedy": {"ja": "いつ書かれるか確かめる", "en": "Ask when it is filled in"},
                    "evidence": {"n": 900},
                    "accepted": {
                        "by": "田中",
                        "why": "最初のフォームで必ず聞いている",
                        "on": "2026-11-22",
                    },
                },
            ],
        },
        "explanations": {
            "additivity": 4.4e-15,
            "stability": {"top3_agreement": 0.83, "n_draws": 5, "n_leads": 500},
            "concepts": [{"members": ["employees", "capital"], "group": "fit", "correlation": 0.8}],
            "signs": [
                {
                    "field": "source",
                    "value": {"ja": "展示会", "en": "Exhibition"},
                    "points": -2.0,
                    "observed_points": 1.5,
                    "agrees": False,
                },
                {
                    "field": "source",
                    "value": {"ja": "紹介", "en": "Referral"},
                    "points": 6.0,
                    "observed_points": 5.5,
                    "agrees": True,
                },
            ],
            "importance": [
                {"field": "source", "points": 3.2, "group": "interest"},
                {"field": "employees", "points": 2.1, "group": "fit"},
            ],
            "groups": [{"group": "interest", "points": 3.2}, {"group": "fit", "points": 2.1}],
            "dependence": [
                {
                    "field": "source",
                    "bands": [
                        {
                            "label": {"ja": "紹介", "en": "Referral"},
                            "points": 6.1,
                            "n": 400,
                            "rate": 0.22,
                        },
                        {
                            "label": {"ja": "SNS", "en": "Social media"},
                            "points": -4.0,
                            "n": 20,
                            "rate": None,
                        },
                    ],
                }
            ],
        },
        "disagreements": {
            "groups": [
                {
                    "field": "source",
                    "value": "webinar",
                    "reason": "no_fit",
                    "n": 3000,
                    "gap": [-0.2, -0.25, -0.15],
                    "words": {"ja": "ウェビナーを多く却下", "en": "Webinar leads are turned away"},
                }
            ],
            "rejected_then_won": {"n": 31, "by_reason": {"no_fit": 12}},
            "accepted_then_dead": {"n": 4000, "of": 6349},
            "sources": [
                {
                    "value": "webinar",
                    "n": 3000,
                    "acceptance": [0.3, 0.28, 0.32],
                    "conversion": [0.12, 0.1, 0.14],
                }
            ],
            "note": {"ja": "話し合いの材料です。", "en": "This is for a conversation."},
        },
        "shifts": {
            "pooled": {"shift": -0.61, "low": -1.0, "high": -0.2, "n_audited": 263, "n_won": 24},
            "by_reason": {
                "no_fit": {
                    "shift": -0.6,
                    "low": -1.1,
                    "high": -0.1,
                    "n_audited": 90,
                    "n_won": 8,
                    "assumed": -0.7,
                }
            },
        },
        "feedback": {
            "since": "2026-08-01T00:00:00+09:00",
            "new": {"leads": 2100, "won": 61, "rejections": {"no_fit": 300, "bad_timing": 120}},
            "fields": [
                {
                    "field": "source",
                    "value": {"ja": "ウェビナー", "en": "Webinar"},
                    "before": -1.0,
                    "after": 1.2,
                    "n": 900,
                }
            ],
            "leads": {"up": 300, "down": 200, "same": 15500},
            "recipe_changed": True,
        },
        "drift": {
            "since": "2026-10-25",
            "until": "2026-11-01",
            "n": 480,
            "alarms": [
                {
                    "subject": "source",
                    "measure": "psi",
                    "value": 0.3,
                    "limit": 0.1,
                    "words": {"ja": "ウェビナーが増えた", "en": "More webinar leads"},
                    "remedy": {"ja": "確かめる", "en": "Look at it"},
                }
            ],
            "fields": [],
        },
    }
