"""How many examples, and which: always the same ones in CI, new ones when somebody goes looking."""

import os

from hypothesis import HealthCheck, Phase, settings

QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]

# Without shrinking: a failure here is news within seconds; `explore` makes it small.
settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=QUIET,
    phases=[Phase.explicit, Phase.generate],
)
settings.register_profile(
    "explore", deadline=None, max_examples=1_200, suppress_health_check=QUIET, print_blob=True, database=None
)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
settings.load_profile(PROFILE)


def examples(count: int) -> settings:
    """As many examples as a test can afford in CI; twenty times as many for who explores."""
    return settings(max_examples=count * (20 if PROFILE == "explore" else 1))
