-- One statement writes an entry; these keep what its scope holds in the same step.

CREATE TRIGGER kv_entries_added AFTER INSERT ON kv_entries BEGIN
    UPDATE kv_scopes SET keys = keys + 1, bytes = bytes + length(NEW.key) + length(NEW.value) WHERE id = NEW.scope;
END;

CREATE TRIGGER kv_entries_changed AFTER UPDATE OF value ON kv_entries WHEN length(NEW.value) <> length(OLD.value) BEGIN
    UPDATE kv_scopes SET bytes = bytes + length(NEW.value) - length(OLD.value) WHERE id = NEW.scope;
END;

CREATE TRIGGER kv_entries_removed AFTER DELETE ON kv_entries BEGIN
    UPDATE kv_scopes SET keys = keys - 1, bytes = bytes - length(OLD.key) - length(OLD.value) WHERE id = OLD.scope;
END;
