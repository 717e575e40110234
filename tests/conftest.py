"""Options of the whole test run."""

import pytest
from hypothesis import HealthCheck, settings

# A busy machine must not fail a test: no limit of time, and the same examples on every run.
settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="Write tests/golden anew; read the difference as prose before it is kept.",
    )
