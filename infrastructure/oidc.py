"""The relying party of OpenID Connect: discovery and keys with their caches, the code exchange, and who has signed in."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from application.identity_ports import Identity, ProviderFailed, Request
from infrastructure.id_tokens import IdTokenRefused, checked_claims, identity_from
from infrastructure.outbound import Answer, Outbound, OutboundFailed

_KEPT_SECONDS = 600.0
_REFETCHES, _REFETCH_WINDOW = 5, 60.0
"""Unknown key ids may make us read a provider's keys again, but not more often than so many times in so many seconds."""
_MOST_ISSUERS = 100
_LONGEST_TOKEN = 64 * 1024
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(slots=True)
class _Known:
    """What is cached about one issuer."""

    metadata: dict[str, Any]
    read_at: float
    keys: list[dict[str, Any]] | None = None
    keys_at: float = 0.0
    refetched: list[float] = field(default_factory=list)


class OidcProvider:
    """`application.identity_ports.OpenIdProvider`. One per process, thread-safe; `monotonic` is the clock of its caches."""

    def __init__(self, outbound: Outbound, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._outbound, self._monotonic = outbound, monotonic
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def authorization_url(self, request: Request, *, scopes: Sequence[str], afresh: bool) -> str:
        endpoint = str(self._issuer(request.issuer).metadata["authorization_endpoint"])
        query = {
            "response_type": "code",
            "client_id": request.client_id,
            "redirect_uri": request.redirect_uri,
            "scope": " ".join(dict.fromkeys(("openid", *scopes))),
            "state": request.state,
            "nonce": request.nonce,
            "code_challenge": _s256(request.verifier),
            "code_challenge_method": "S256",
            # An answer with auth_time, or it is not taken for a fresh sign-in (Core 3.1.2.1).
            **({"prompt": "login", "max_age": "0"} if afresh else {}),
        }
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"

    def check_issuer(self, request: Request, iss: str | None) -> None:
        metadata = self._issuer(request.issuer).metadata
        promised = metadata.get("authorization_response_iss_parameter_supported") is True
        if (iss is None and promised) or (iss is not None and iss != request.issuer):
            raise ProviderFailed("token_refused", "The answer came from another provider than the one that was asked.")

    def identity(self, request: Request, *, secret: str | None, code: str, iss: str | None, groups_claim: str, now: datetime) -> Identity:
        self.check_issuer(request, iss)
        known = self._issuer(request.issuer)
        tokens = self._exchange(known.metadata, request, secret, code)
        claims = self._claims(known, request, str(tokens.get("id_token") or ""), now)
        missing = "email" not in claims or (groups_claim and groups_claim not in claims)
        if missing and tokens.get("access_token") and known.metadata.get("userinfo_endpoint"):
            claims = {**self._userinfo(known.metadata, str(tokens["access_token"]), claims["sub"]), **claims}
        return identity_from(claims, groups_claim)

    def examine(self, issuer: str) -> list[str]:
        with self._lock:
            self._known.pop(issuer, None)
        known = self._issuer(issuer)
        keys = self._keys(known)
        found = ["Discovery answers, and names this issuer.", f"It publishes {len(keys)} key{'' if len(keys) == 1 else 's'} for signatures."]
        methods = known.metadata.get("code_challenge_methods_supported")
        found.append("It supports PKCE (S256)." if isinstance(methods, list) and "S256" in methods else "It does not mention PKCE (S256).")
        if known.metadata.get("authorization_response_iss_parameter_supported") is True:
            found.append("It names itself in its answers (RFC 9207).")
        return found

    # ---- discovery and keys

    def _issuer(self, issuer: str) -> _Known:
        with self._lock:
            known = self._known.get(issuer)
        if known is not None and self._monotonic() - known.read_at < _KEPT_SECONDS:
            return known
        metadata = self._json(self._outbound.get, f"{issuer.rstrip('/')}/.well-known/openid-configuration", what="Discovery")
        if metadata.get("issuer") != issuer:
            raise ProviderFailed("provider_failed", "Discovery names another issuer; copy the issuer exactly as the provider writes it.")
        for name in _ENDPOINTS:
            if not _is_url(metadata.get(name)):
                raise ProviderFailed("provider_failed", f"Discovery gives no {name}.")
        fresh = _Known(metadata, self._monotonic())
        with self._lock:
            if len(self._known) >= _MOST_ISSUERS:
                self._known.clear()
            if known is not None and known.metadata.get("jwks_uri") == metadata["jwks_uri"]:
                fresh.keys, fresh.keys_at, fresh.refetched = known.keys, known.keys_at, known.refetched
            self._known[issuer] = fresh
        return fresh

    def _keys(self, known: _Known) -> list[dict[str, Any]]:
        if known.keys is None or self._monotonic() - known.keys_at >= _KEPT_SECONDS:
            answer = self._json(self._outbound.get, str(known.metadata["jwks_uri"]), what="The key set")
            keys = answer.get("keys")
            if not isinstance(keys, list):
                raise ProviderFailed("provider_failed", "The provider's key set holds no keys.")
            known.keys = [key for key in keys if isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"]
            known.keys_at = self._monotonic()
        return known.keys

    def _keys_again(self, known: _Known) -> list[dict[str, Any]]:
        """The keys as they are now: the provider has rotated them, or someone sends key ids that never were."""
        now = self._monotonic()
        with self._lock:
            known.refetched = [at for at in known.refetched if now - at < _REFETCH_WINDOW]
            if len(known.refetched) >= _REFETCHES:
                return known.keys or []
            known.refetched.append(now)
            known.keys = None
        return self._keys(known)

    # ---- tokens

    def _exchange(self, metadata: Mapping[str, Any], request: Request, secret: str | None, code: str) -> dict[str, Any]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": request.redirect_uri, "code_verifier": request.verifier}
        headers: dict[str, str] = {}
        methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if secret is None:
            form["client_id"] = request.client_id
        elif "client_secret_basic" in methods:
            pair = f"{quote_plus(request.client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": request.client_id, "client_secret": secret}
        return self._json(lambda url: self._outbound.post(url, form, headers), str(metadata["token_endpoint"]), what="The token endpoint")

    def _claims(self, known: _Known, request: Request, token: str, now: datetime) -> dict[str, Any]:
        if not token or len(token) > _LONGEST_TOKEN:
            raise ProviderFailed("token_refused", "The provider gave no ID token.")
        expected = {"issuer": request.issuer, "client_id": request.client_id, "nonce": request.nonce}
        try:
            return checked_claims(token, self._keys(known), lambda: self._keys_again(known), now=now, **expected)
        except IdTokenRefused as error:
            raise ProviderFailed("token_refused", f"The provider's ID token is not valid: {error}") from None

    def _userinfo(self, metadata: Mapping[str, Any], access_token: str, subject: Any) -> dict[str, Any]:
        """Core 5.3: claims that the ID token leaves out, about the same subject."""
        headers = {"Authorization": f"Bearer {access_token}"}
        answer = self._json(lambda url: self._outbound.get(url, headers), str(metadata["userinfo_endpoint"]), what="The userinfo endpoint")
        if answer.get("sub") != subject:
            raise ProviderFailed("token_refused", "The provider's userinfo is about somebody else.")
        return {name: value for name, value in answer.items() if name not in ("iss", "aud", "nonce", "auth_time")}

    def _json(self, ask: Callable[[str], Answer], url: str, *, what: str) -> dict[str, Any]:
        try:
            answer = ask(url)
        except OutboundFailed as error:
            raise ProviderFailed("provider_failed", f"{what} can't be used. {error}") from None
        if answer.status != 200:
            raise ProviderFailed("provider_failed", f"{what} answered {answer.status}{_told(answer)}.")
        try:
            found = json.loads(answer.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise ProviderFailed("provider_failed", f"{what} did not answer with a JSON object.")
        return found


def _told(answer: Answer) -> str:
    """The OAuth error code of a refusal, if it is one."""
    try:
        code = json.loads(answer.body).get("error")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return f" ({code})" if isinstance(code, str) and code.isascii() and code.replace("_", "").isalnum() and len(code) < 60 else ""


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("https://", "http://")) and value.isprintable()


def _s256(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
