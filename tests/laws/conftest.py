"""Laws draw the same examples in every run; `HYPOTHESIS_PROFILE=explore` draws new ones, and prints how to repeat one."""

import tests.laws.profiles  # noqa: F401 - loads the profile
