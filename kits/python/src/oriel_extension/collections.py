"""Documents of this extension in this tenant. Needs `collections = true` under `[permissions]`, and a `[[collections]]` for each.

    notes = Collection("notes")
    id = notes.insert({"text": "hello", "status": "open"}).id
    for note in notes.all({"/status": "open"}, order=["-/createdAt"]):
        notes.patch(note.id, {"status": "done"}, expected=note.version)

Where a collection has an access rule and the call is made on behalf of a user, only what that user may see is there.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ._host import host
from ._json import write
from .errors import InvalidInput, OrielError, Unavailable, _CLASSES, host_call


@dataclass(frozen=True)
class Document:
    """A document with what the host knows of it."""

    id: str
    version: int
    created_ms: int
    updated_ms: int
    body: Any


@dataclass(frozen=True)
class Page:
    """Some documents, and where the next page starts."""

    documents: list[Document]
    next_cursor: str | None


@dataclass(frozen=True)
class Written:
    """The id and the new version of a document; 0 of one that was deleted."""

    id: str
    version: int


@dataclass(frozen=True)
class Operation:
    """One operation of a transaction; `Collection` makes them."""

    collection: str
    id: str | None
    case: str
    value: Any


class NotFound(InvalidInput):
    """There is no such document, or none that the user may see."""


class Exists(InvalidInput):
    """There is a document with this id already."""


class Duplicate(InvalidInput):
    """Another document has the same values in the unique index of `index`."""

    index = ""


class Invalid(InvalidInput):
    """The document does not fit its collection; `problems` are pairs of a JSON pointer and a message."""

    problems: tuple[tuple[str, str], ...] = ()


class Conflict(Unavailable):
    """The document has another version than was expected: `actual`."""

    actual = 0


def _failure(payload: Any) -> OrielError | None:
    case = type(payload).__name__.removeprefix("Failure_")
    value = getattr(payload, "value", None)
    if case == "NotFound":
        return NotFound("there is no such document")
    if case == "Exists":
        return Exists("there is such a document already")
    if case == "Conflict":
        conflict = Conflict(f"the document has version {value} now")
        conflict.actual = int(value)  # type: ignore[arg-type]
        return conflict
    if case == "Duplicate":
        duplicate = Duplicate(f"another document has the same values in the unique index of {value}")
        duplicate.index = str(value)
        return duplicate
    if case == "Invalid":
        problems = tuple((problem.path, problem.message) for problem in value or ())
        invalid = Invalid("; ".join(f"{path}: {message}" if path else message for path, message in problems))
        invalid.problems = problems
        return invalid
    if case == "Other":
        cls = _CLASSES.get(type(value).__name__)
        return None if cls is None else cls(getattr(value, "value", "deadline exceeded"))
    return None


def _module() -> Any:
    return host("collections", "collections = true")


def _document(found: Any) -> Document:
    return Document(found.id, found.version, found.created_ms, found.updated_ms, json.loads(found.body))


def _wire(operation: Operation) -> Any:
    module = _module()
    change = getattr(module, f"Change_{operation.case}")(operation.value)
    return module.Operation(collection=operation.collection, id=operation.id, change=change)


def _filter(filter: Mapping[str, Any] | None) -> str | None:
    return None if filter is None else write(filter)


def transact(operations: Sequence[Operation]) -> list[Written]:
    """Carries out 1 to 100 operations, all or none of them. The error of a refused one has its number in `operation`."""
    module = _module()
    try:
        done = module.transact([_wire(operation) for operation in operations])
    except Exception as error:
        refusal = getattr(error, "value", None)
        failure = _failure(getattr(refusal, "reason", None))
        if failure is None:
            raise
        failure.operation = refusal.operation  # type: ignore[union-attr, attr-defined]
        raise failure from None
    return [Written(written.id, written.version) for written in done]


def _write(operation: Operation) -> Written:
    module = _module()
    try:
        written = module.write(_wire(operation))
    except Exception as error:
        failure = _failure(getattr(error, "value", None))
        if failure is None:
            raise
        raise failure from None
    return Written(written.id, written.version)


@dataclass(frozen=True)
class Operations:
    """The operations of a transaction on one collection."""

    collection: str

    def insert(self, body: Any, id: str | None = None) -> Operation:
        return Operation(self.collection, id, "Insert", write(body))

    def put(self, id: str, body: Any) -> Operation:
        return Operation(self.collection, id, "Put", write(body))

    def replace(self, id: str, body: Any, expected: int | None = None) -> Operation:
        return Operation(self.collection, id, "Replace", (write(body), expected))

    def patch(self, id: str, patch: Any, expected: int | None = None) -> Operation:
        return Operation(self.collection, id, "Patch", (write(patch), expected))

    def delete(self, id: str, expected: int | None = None) -> Operation:
        return Operation(self.collection, id, "Delete", expected)

    def check(self, id: str, version: int | None) -> Operation:
        """The document must have this version; `None`: there must be none."""
        return Operation(self.collection, id, "Check", version)


class Collection:
    """The collection that the manifest declares under this name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.operations = Operations(name)

    def get(self, id: str) -> Document | None:
        """One document."""
        found = host_call(_module().get, self.name, id)
        return None if found is None else _document(found)

    def page(
        self,
        filter: Mapping[str, Any] | None = None,
        *,
        order: Sequence[str] = (),
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """At most `limit` (1 to 1000) documents that `filter` means, in the order of an index's fields."""
        module = _module()
        query = module.Query(filter=_filter(filter), order=list(order), limit=limit, cursor=cursor)
        found = host_call(module.find, self.name, query)
        return Page([_document(document) for document in found.documents], found.next_cursor)

    def all(self, filter: Mapping[str, Any] | None = None, *, order: Sequence[str] = ()) -> Iterator[Document]:
        """Every document that `filter` means, page by page."""
        cursor = None
        while True:
            found = self.page(filter, order=order, limit=1000, cursor=cursor)
            yield from found.documents
            cursor = found.next_cursor
            if cursor is None:
                return

    def first(self, filter: Mapping[str, Any] | None = None, *, order: Sequence[str] = ()) -> Document | None:
        """The first document."""
        return next(iter(self.page(filter, order=order, limit=1).documents), None)

    def count(self, filter: Mapping[str, Any] | None = None) -> int:
        """How many documents `filter` means."""
        count: int = host_call(_module().count, self.name, _filter(filter))
        return count

    def insert(self, body: Any, id: str | None = None) -> Written:
        """Makes a document; without `id` it gets one now."""
        return _write(self.operations.insert(body, id))

    def put(self, id: str, body: Any) -> Written:
        """Makes or replaces a document."""
        return _write(self.operations.put(id, body))

    def replace(self, id: str, body: Any, expected: int | None = None) -> Written:
        """Replaces a document; with `expected` only that version, else `Conflict` is raised."""
        return _write(self.operations.replace(id, body, expected))

    def patch(self, id: str, patch: Any, expected: int | None = None) -> Written:
        """Applies a JSON merge patch: members that are `None` are removed."""
        return _write(self.operations.patch(id, patch, expected))

    def delete(self, id: str, expected: int | None = None) -> None:
        """Deletes a document; with `expected` only that version."""
        _write(self.operations.delete(id, expected))
