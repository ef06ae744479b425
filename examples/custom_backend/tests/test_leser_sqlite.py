"""The backend holds to the whole contract: the kit brings the tests, this file the engine."""

import pytest
from leser_sqlite import SqliteBackend

from leser.testing import DOCUMENTS, BackendContract


class TestSqlite(BackendContract):
    backend = SqliteBackend

    @pytest.fixture(scope="class")
    @classmethod
    def open_backend(cls, tmp_path_factory):
        path = tmp_path_factory.mktemp("sqlite") / "documents.db"
        SqliteBackend(SqliteBackend.Options(path=path)).index(DOCUMENTS)
        return lambda **options: SqliteBackend(SqliteBackend.Options(path=path, **options))

    @pytest.fixture
    def open_missing(self, tmp_path):
        return lambda **options: SqliteBackend(SqliteBackend.Options(path=tmp_path / "nowhere.db", **options))
