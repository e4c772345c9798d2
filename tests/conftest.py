"""Settings of the whole suite."""

from hypothesis import HealthCheck, settings

# The machines are shared: a time limit per example would measure the neighbours.
settings.register_profile(
    "suite", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")
