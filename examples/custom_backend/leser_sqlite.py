"""SQLite's full-text index (FTS5) as a search engine for LESER."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from leser.backend import Backend, BackendOptions, Document, Hit, Ranking
from leser.errors import IndexMissing, LeserError
from leser.hooks import hookimpl

CREATE = "CREATE VIRTUAL TABLE docs USING fts5 (id UNINDEXED, title, text, fields UNINDEXED, tokenize = porter)"
SEARCH = "SELECT id, -rank FROM docs WHERE docs MATCH ? ORDER BY rank, rowid LIMIT ?"
FETCH = "SELECT id, fields FROM docs WHERE id IN (SELECT value FROM json_each(?))"


def quoted(text):
    """Any of the words, each as FTS5's manual quotes a string: in double quotes, and those within it doubled."""
    return " OR ".join('"' + word.replace('"', '""') + '"' for word in text.replace("\0", " ").split()) or '""'


class SqliteBackend(Backend):
    """SQLite FTS5: one database file, BM25 over title and text."""

    name, capabilities = "sqlite", frozenset({"index"})

    class Options(BackendOptions):
        """Options of the backend 'sqlite'."""

        path: Path

    def search(self, queries, k, *, total=False):  # noqa: ARG002 - asked of those who say they can
        """Search a batch over one connection; a text of no known word finds nothing."""
        with self._open() as db:
            return [Ranking(tuple(Hit(*row) for row in db.execute(SEARCH, (quoted(q.text), k)))) for q in queries]

    def fetch(self, ids, fields):
        """Stored fields, which one column holds as JSON."""
        with self._open() as db:
            rows = db.execute(FETCH, (json.dumps(list(ids)),)).fetchall()
        return {id: Document(id, {n: text for n, text in json.loads(row).items() if n in fields}) for id, row in rows}

    def check(self):
        """Number of documents, and SQLite's version."""
        with self._open() as db:
            documents = db.execute("SELECT count(*) FROM docs").fetchone()[0]
            return {"documents": documents, "version": sqlite3.sqlite_version}

    def index(self, documents):
        """Write the database; all documents come into force at once. A file that is already there is left alone."""
        if self.options.path.exists():
            raise LeserError(f"{self.options.path} is there already. Delete it, or name another path.")
        rows = ((d.id, d.fields.get("title"), d.fields.get("text"), json.dumps(dict(d.fields))) for d in documents)
        with closing(sqlite3.connect(self.options.path)) as db, db:
            return db.execute(CREATE).executemany("INSERT INTO docs VALUES (?, ?, ?, ?)", rows).rowcount

    def _open(self):
        if not self.options.path.is_file():
            raise IndexMissing(f"No {self.options.path}.", f"--backend sqlite --task TASK -o path={self.options.path}")
        return closing(sqlite3.connect(self.options.path))


@hookimpl
def leser_backends():
    """The backend of this package."""
    return [SqliteBackend]
