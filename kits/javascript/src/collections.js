// Documents of this extension in this tenant.

import { Denied, DeadlineExceeded, Internal, InvalidInput, LimitExceeded, Unavailable, hostCall } from "./errors.js";
import { host, narrow, wide } from "./host.js";

const module = () => host("collections", "collections = true");

/** There is no such document, or none that the user may see. */
export class NotFound extends InvalidInput {}
/** There is a document with this id already. */
export class Exists extends InvalidInput {}
/** Another document has the same values in the unique index of `index`. */
export class Duplicate extends InvalidInput {}
/** The document does not fit its collection: `problems`. */
export class Invalid extends InvalidInput {}
/** The document has another version than was expected: `actual`. */
export class Conflict extends Unavailable {}

const OTHER = {
  "invalid-input": InvalidInput,
  unavailable: Unavailable,
  denied: Denied,
  "limit-exceeded": LimitExceeded,
  "deadline-exceeded": DeadlineExceeded,
  internal: Internal,
};

function failure(reason) {
  switch (reason?.tag) {
    case "not-found":
      return new NotFound("there is no such document");
    case "exists":
      return new Exists("there is such a document already");
    case "conflict": {
      const actual = narrow(reason.val);
      return Object.assign(new Conflict(`the document has version ${actual} now`), { actual });
    }
    case "duplicate":
      return Object.assign(new Duplicate(`another document has the same values in the unique index of ${reason.val}`), { index: reason.val });
    case "invalid": {
      const problems = reason.val.map(({ path, message }) => ({ path, message }));
      const text = problems.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`)).join("; ");
      return Object.assign(new Invalid(text), { problems });
    }
    case "other": {
      const Class = OTHER[reason.val?.tag];
      return Class && new Class(reason.val.val);
    }
    default:
      return undefined;
  }
}

const written = ({ id, version }) => ({ id, version: narrow(version) });
const document = ({ id, version, createdMs, updatedMs, body }) => ({
  id,
  version: narrow(version),
  createdMs: narrow(createdMs),
  updatedMs: narrow(updatedMs),
  body: JSON.parse(body),
});
const filterOf = (filter) => (filter === undefined ? undefined : JSON.stringify(filter));

function write(operation) {
  try {
    return written(module().write(operation));
  } catch (error) {
    throw failure(error?.payload) ?? error;
  }
}

/** Carries out operations, all or none of them. */
export function transact(operations) {
  try {
    return module().transact(operations).map(written);
  } catch (error) {
    const refused = failure(error?.payload?.reason);
    throw refused === undefined ? error : Object.assign(refused, { operation: error.payload.operation });
  }
}

export function collection(name) {
  const operation = (id, tag, val) => ({ collection: name, id, change: { tag, val } });
  const operations = {
    insert: (body, id) => operation(id, "insert", JSON.stringify(body)),
    put: (id, body) => operation(id, "put", JSON.stringify(body)),
    replace: (id, body, expected) => operation(id, "replace", [JSON.stringify(body), wide(expected)]),
    patch: (id, patch, expected) => operation(id, "patch", [JSON.stringify(patch), wide(expected)]),
    delete: (id, expected) => operation(id, "delete", wide(expected)),
    check: (id, version) => operation(id, "check", wide(version)),
  };
  const self = {
    name,
    operations,
    get(id) {
      const found = hostCall(() => module().get(name, id)) ?? undefined;
      return found && document(found);
    },
    page(filter, { order = [], limit = 100, cursor } = {}) {
      const query = { filter: filterOf(filter), order, limit, cursor };
      const { documents, nextCursor } = hostCall(() => module().find(name, query));
      return { documents: documents.map(document), nextCursor: nextCursor ?? undefined };
    },
    *all(filter, { order } = {}) {
      let cursor;
      do {
        const page = self.page(filter, { order, limit: 1000, cursor });
        yield* page.documents;
        cursor = page.nextCursor;
      } while (cursor !== undefined);
    },
    first: (filter, { order } = {}) => self.page(filter, { order, limit: 1 }).documents[0],
    count: (filter) => narrow(hostCall(() => module().count(name, filterOf(filter)))),
    insert: (body, id) => write(operations.insert(body, id)),
    put: (id, body) => write(operations.put(id, body)),
    replace: (id, body, expected) => write(operations.replace(id, body, expected)),
    patch: (id, patch, expected) => write(operations.patch(id, patch, expected)),
    delete(id, expected) {
      write(operations.delete(id, expected));
    },
  };
  return self;
}
