"""ESCI, Amazon's shopping queries data set: two Parquet files, examples and products."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from leser.backend import Document
from leser.errors import LeserError
from leser.formats.files import add_judgment
from leser.formats.folder import data_files, one_of
from leser.formats.split import assemble
from leser.reader import Reader, ReaderOptions
from leser.task import Query, Task

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

GRADES = {"E": 3, "S": 2, "C": 1, "I": 0}
_EXAMPLES, _PRODUCTS = "shopping_queries_dataset_examples", "shopping_queries_dataset_products"
_COLUMNS = (
    "query",
    "query_id",
    "product_id",
    "product_locale",
    "esci_label",
    "small_version",
    "large_version",
    "split",
)
_FIELDS = {
    "product_title": "title",
    "product_description": "description",
    "product_bullet_point": "bullet_point",
    "product_brand": "brand",
    "product_color": "color",
}


class Esci(Reader):
    """ESCI folder: shopping_queries_dataset_examples.parquet, with ..._products.parquet unless the engine holds them."""

    name = "esci"

    class Options(ReaderOptions):
        """Options of the ESCI reader."""

        locale: Literal["us", "es", "jp"] = Field("us", description="locale of queries and products")
        version: Literal["small", "large"] = Field("small", description="small: the queries of task 1; large: all")
        grades: dict[str, int] = Field(
            default_factory=lambda: dict(GRADES),
            description="grade of E(xact), S(ubstitute), C(omplement), I(rrelevant)",
        )

    options: Options

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """True for a folder with a file of examples."""
        return path.is_dir() and bool(data_files(path, _EXAMPLES))

    def read(self) -> Task:
        """Read the folder; its test queries are test, dev is taken out of train. Raises LeserError naming file and row."""
        folder = self.options.path
        if folder is None or not self.recognises(folder):
            raise LeserError(f"The reader 'esci' needs a folder with {_EXAMPLES}.parquet (task.path), given: {folder}.")
        file = one_of(data_files(folder, _EXAMPLES), "be the examples")
        queries: dict[str, Query] = {}
        judged: dict[str, dict[str, dict[str, int]]] = {}
        for number, row in _rows(file, _COLUMNS):
            if row["product_locale"] != self.options.locale or not row[f"{self.options.version}_version"]:
                continue
            id, label, part = str(row["query_id"]), str(row["esci_label"])[:1].upper(), str(row["split"])
            if label not in self.options.grades or part not in ("train", "test"):
                raise LeserError(
                    f"{file}, row {number}: the label '{row['esci_label']}' is not one of {', '.join(self.options.grades)}, or "
                    f"the split '{part}' is neither train nor test."
                )
            queries.setdefault(id, Query(id, str(row["query"])))
            add_judgment(
                judged.setdefault(part, {}), id, str(row["product_id"]), self.options.grades[label], file, number
            )
        products = data_files(folder, _PRODUCTS)
        return assemble(
            f"{folder.resolve().name}-{self.options.locale}",
            queries,
            judged,
            seed=self.options.seed,
            documents=partial(_documents, one_of(products, "be the products"), self.options.locale)
            if products
            else None,
            unjudged=self.options.unjudged,
        )


def _documents(path: Path, locale: str) -> Iterator[Document]:
    for _, row in _rows(path, ("product_id", "product_locale", *_FIELDS)):
        if row["product_locale"] == locale:
            texts = {field: str(row[column]) for column, field in _FIELDS.items() if row[column]}
            yield Document(str(row["product_id"]), texts)


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows with their numbers from 1, only these columns; raises LeserError where the file is not Parquet, or lacks one."""
    import pyarrow as pa

    try:
        file = _opened(path)
        missing = [column for column in columns if column not in file.schema_arrow.names]
        if missing:
            raise LeserError(f"{path} lacks the columns {', '.join(missing)}. Download it again.")
        number = 0
        for batch in file.iter_batches(columns=list(columns)):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except (pa.ArrowInvalid, OSError) as error:
        raise LeserError(f"{path} is not a whole Parquet file: {error}. Download it again.") from None


def _opened(path: Path) -> ParquetFile:
    from pyarrow.parquet import ParquetFile

    return ParquetFile(path)
