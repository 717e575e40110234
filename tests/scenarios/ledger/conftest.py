from pathlib import Path

import pytest

from tests.repository import CODE, Repository


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "repo")
    repository.commit(
        "Begin", {"app/db.py": CODE, "app/settings.py": "connect_timeout = 25.0\n", "README.md": "shop\n"}
    )
    return repository
