"""What can be imported once the component is built: what was imported before. There are no files to import from in the
middle of a call."""

# Modules of the standard library that others, and Python itself, import only when they are first needed.
import _strptime  # type: ignore[import-not-found]  # noqa: F401
import encodings.ascii  # noqa: F401
import encodings.cp1252  # noqa: F401
import encodings.idna  # noqa: F401
import encodings.latin_1  # noqa: F401
import encodings.punycode  # noqa: F401
import encodings.utf_16  # noqa: F401
import encodings.utf_8_sig  # noqa: F401
import hashlib  # noqa: F401
import ipaddress  # noqa: F401
import linecache
import sys
import traceback  # noqa: F401
import unicodedata  # noqa: F401
from importlib.machinery import PathFinder


def close() -> None:
    """Called at the first call: from now on what is not loaded is not found, without a look at files, and a traceback
    shows places without lines of source."""
    linecache.updatecache = lambda *_, **__: []
    sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not PathFinder]
