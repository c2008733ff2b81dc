"""Redirect URIs: which ones a client may register, and when a presented one is a registered one."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

from domain.client import LOOPBACK_HOSTS

LONGEST = 2048
MOST = 30
# What a browser would run, read from this computer or hand to another program, instead of giving the code to the client.
REFUSED_SCHEMES = frozenset(
    {
        "javascript", "data", "file", "vbscript", "blob", "about", "filesystem", "view-source", "jar", "chrome", "resource", "intent",
        "content", "ws", "wss", "ftp", "ftps", "sftp", "mailto", "tel", "sms", "urn", "cid", "mid", "livescript", "mocha", "ldap", "ldaps",
        "gopher", "nfs", "smb", "feed", "mhtml", "jnlp", "shell", "hcp", "its", "mk", "res", "ms-its", "ms-msdt", "ms-officecmd", "ms-search",
        "search-ms", "search", "vnd.ms.radio",
    }
)  # fmt: skip
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*\Z")
_SAFE = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+\Z")
_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*\.?\Z")
_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]|localhost))(?::([0-9]{1,5}))?((?:[/?].*)?)\Z")


def why_refused(uri: object) -> str | None:
    """What is wrong with a redirect URI that a client wants to register, in a sentence; None if it may."""
    if not isinstance(uri, str) or not uri:
        return "A redirect URI is a string that is not empty."
    if len(uri) > LONGEST:
        return f"A redirect URI has at most {LONGEST} characters."
    return _why_text_refused(uri)


@lru_cache(maxsize=1024)
def _why_text_refused(uri: str) -> str | None:
    """The same clients register the same URIs."""
    if "#" in uri:
        return "A redirect URI has no fragment."
    if not _SAFE.match(uri):
        return "A redirect URI is an absolute URI of ASCII characters; encode all others."
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "A redirect URI's host and port must be valid."
    scheme = uri.partition(":")[0]
    if not _SCHEME.match(scheme.lower()) or ":" not in uri:
        return "A redirect URI begins with its scheme."
    if "/../" in f"{parts.path}/" or "/./" in f"{parts.path}/":
        return "A redirect URI has no dot segments in its path."
    return _why_scheme_refused(scheme.lower(), uri, host, port, userinfo="@" in parts.netloc)


def _why_scheme_refused(scheme: str, uri: str, host: str | None, port: int | None, *, userinfo: bool) -> str | None:
    if scheme in REFUSED_SCHEMES:
        return f"A redirect URI can't have the scheme {scheme}."
    if scheme not in ("http", "https"):
        return None if len(uri) > len(scheme) + 1 else "A redirect URI names a place after its scheme."
    if userinfo:
        return "A redirect URI holds no user name or password."
    if not uri.startswith((f"{scheme}://",)):
        return "Write the scheme of a redirect URI in lower case, followed by ://."
    if not host or not (host in LOOPBACK_HOSTS or ("[" not in uri.split("/")[2] and _HOST.match(host))) or port == 0:
        return "A redirect URI's host and port must be valid."
    if scheme == "http" and host not in LOOPBACK_HOSTS:
        return "A redirect URI uses https, unless its host is 127.0.0.1, [::1] or localhost."
    return None


def matches(registered: str, presented: str) -> bool:
    """Whether they are the same, character by character, but for the port of a loopback address (RFC 8252 7.3, OAuth 2.1 4.1.1)."""
    if registered == presented:
        return True
    ours, theirs = _LOOPBACK.match(registered), _LOOPBACK.match(presented)
    if ours is None or theirs is None or int(theirs[2] or 80) > 65535:
        return False
    return (ours[1], ours[3]) == (theirs[1], theirs[3])


def host_of(uri: str) -> str:
    """What an allow-list names it by: its host, or `scheme:` for a private-use scheme."""
    parts = urlsplit(uri)
    return parts.hostname or "" if parts.scheme in ("http", "https") else f"{parts.scheme}:"
