"""Rates of few cases, told with what they leave in doubt; shared by reports and answers."""

from __future__ import annotations

import math

__all__ = ["Z95", "wilson_interval"]

Z95 = 1.959963984540054
"""Half the width of a 95 % interval, in standard deviations."""


def wilson_interval(n_won: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Return Wilson's score interval of a rate (E. B. Wilson, JASA 1927); (0, 1) without leads.

    >>> low, high = wilson_interval(20, 100)
    >>> round(low, 3), round(high, 3)
    (0.133, 0.289)
    """
    if n <= 0:
        return 0.0, 1.0
    rate = n_won / n
    middle = rate + z**2 / (2.0 * n)
    reach = z * math.sqrt(max(0.0, rate * (1.0 - rate)) / n + z**2 / (4.0 * n**2))
    scale = 1.0 + z**2 / n
    return max(0.0, float((middle - reach) / scale)), min(1.0, float((middle + reach) / scale))
