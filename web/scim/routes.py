"""`/scim/v2`: users, and what the service provider says about itself, for whoever bears the account's directory token."""

from __future__ import annotations

import json
from typing import Any, Final

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException

from application import scim_token
from application.ports import Busy
from application.scim_profiles import active_from, profile_from
from application.scim_users import Directory, User
from application.services import Origin
from domain.account import Account
from domain.auth_provider import included
from domain.errors import DomainError
from web.pages import context
from web.scim import schemas
from web.scim.answers import LIST, MEDIA_TYPE, USERS, ScimError, answer, chosen, domain_error, error, listed, user
from web.scim.patching import patched
from web.scim.paths import equals_filter

blueprint = Blueprint("scim", __name__, url_prefix="/scim/v2")

_DEFAULT_RESULTS: Final = 100
_TAKEN: Final = frozenset({MEDIA_TYPE, "application/json"})
_METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_KNOWN: Final = ("Users", "ServiceProviderConfig", "ResourceTypes", "Schemas")


@blueprint.before_request
def admit() -> Response | None:
    """The bearer token first, then the plan: whoever has no token learns nothing (RFC 7644 2)."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    services = context.services()
    if scheme.lower() != "bearer" or not scim_token.valid(services, context.account_id(), token.strip()):
        refusal = error(401, "A valid directory token is needed.")
        refusal.headers["WWW-Authenticate"] = 'Bearer realm="scim"' + (', error="invalid_token"' if token else "")
        return refusal
    account: Account = context.account()
    return None if included(account) else error(403, "Provisioning is part of the Enterprise and Enterprise+ plans.")


# ---- users


@blueprint.get(USERS)
def list_users() -> Response:
    directory, args = _directory(), request.args
    start, count = max(1, _number("startIndex", 1)), min(schemas.MOST_RESULTS, max(0, _number("count", _DEFAULT_RESULTS)))
    if args.get("filter") is None:
        total, found = directory.page(start - 1, count)
    else:
        fitting = _fitting(directory, args["filter"])
        total, found = len(fitting), fitting[start - 1 : start - 1 + count]
    return answer(listed([_resource(one) for one in found], total, start))


def _fitting(directory: Directory, text: str) -> list[User]:
    attribute, value = equals_filter(text)
    if attribute == "username":
        return directory.named(value)
    if attribute == "externalid":
        return directory.with_external_id(value)
    if attribute in ("emails", "emails.value"):
        return directory.with_email(value)
    if attribute == "id":
        try:
            return [directory.user(value)]
        except DomainError:
            return []
    raise ScimError(400, f"There is no filter by {attribute[:60]}.", "invalidFilter")


@blueprint.post(USERS)
def add_user() -> Response:
    body = _body()
    active = active_from(_attribute(body, "active"))
    made = _directory().add(profile_from(body), active=active is not False)
    return answer(_resource(made), 201, Location=f"{_base()}{USERS}/{made.member_id}")


@blueprint.get(f"{USERS}/<user_id>")
def get_user(user_id: str) -> Response:
    return answer(_resource(_directory().user(user_id)))


@blueprint.put(f"{USERS}/<user_id>")
def put_user(user_id: str) -> Response:
    body = _body()
    changed = _directory().replace(user_id, profile_from(body), active=active_from(_attribute(body, "active")))
    return answer(_resource(changed))


@blueprint.patch(f"{USERS}/<user_id>")
def patch_user(user_id: str) -> Response:
    directory, body = _directory(), _body()
    before = directory.user(user_id)
    after = patched({**before.profile.as_attributes(), "active": before.active}, _attribute(body, "operations"))
    changed = directory.replace(user_id, profile_from(after), active=active_from(after.get("active")))
    return answer(_resource(changed))


@blueprint.delete(f"{USERS}/<user_id>")
def delete_user(user_id: str) -> Response:
    _directory().delete(user_id)
    return Response(status=204)


# ---- about us


@blueprint.get("/ServiceProviderConfig")
def provider_config() -> Response:
    return answer(schemas.provider_config(_base()))


@blueprint.get("/ResourceTypes")
def resource_types() -> Response:
    return answer(_all([schemas.resource_type(_base())]))


@blueprint.get("/ResourceTypes/User")
def resource_type() -> Response:
    return answer(schemas.resource_type(_base()))


@blueprint.get("/Schemas")
def all_schemas() -> Response:
    return answer(_all([schemas.user_schema(_base())]))


@blueprint.get("/Schemas/urn:ietf:params:scim:schemas:core:2.0:User")
def user_schema() -> Response:
    return answer(schemas.user_schema(_base()))


@blueprint.route("/", defaults={"rest": ""}, methods=_METHODS)
@blueprint.route("/<path:rest>", methods=_METHODS)
def nothing_here(rest: str) -> Response:
    first, _, more = rest.partition("/")
    if first in _KNOWN and request.method not in ("GET", "HEAD") and "/" not in more:
        return error(405, "This can't be done here.")
    return error(404, "There is nothing here.")


# ---- parts


def _directory() -> Directory:
    origin = Origin("api", request.remote_addr, request.headers.get("User-Agent"))
    return Directory(context.services(), context.grantbook().identity, context.account_id(), origin)


def _base() -> str:
    return context.services().issuer + (blueprint.url_prefix or "")


def _resource(found: User) -> dict[str, Any]:
    return chosen(user(found, _base()), request.args.get("attributes"), request.args.get("excludedAttributes"))


def _all(resources: list[dict[str, Any]]) -> dict[str, Any]:
    return {**listed(resources, len(resources), 1), "schemas": [LIST]}


def _body() -> dict[str, Any]:
    if request.mimetype not in _TAKEN:
        raise ScimError(415, f"Send {MEDIA_TYPE}.")
    try:
        found = json.loads(request.get_data().decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise ScimError(400, "The body is no JSON.", "invalidSyntax") from None
    if not isinstance(found, dict):
        raise ScimError(400, "The body is a JSON object.", "invalidSyntax")
    return found


def _no_number(_: str) -> Any:
    raise ValueError


def _attribute(body: dict[str, Any], name: str) -> Any:
    return next((value for key, value in body.items() if key.lower() == name), None)


def _number(name: str, default: int) -> int:
    text = request.args.get(name, "").strip()
    if not text:
        return default
    if not text.removeprefix("-").isdigit() or not text.isascii() or len(text) > 9:
        raise ScimError(400, f"{name} is a whole number.", "invalidValue")
    return int(text)


@blueprint.errorhandler(ScimError)
def _refused(refusal: ScimError) -> Response:
    return error(refusal.status, refusal.detail, refusal.scim_type)


@blueprint.errorhandler(DomainError)
def _domain(refusal: DomainError) -> Response:
    return domain_error(refusal)


@blueprint.errorhandler(Busy)
def _busy(refusal: Busy) -> Response:
    response = error(503, str(refusal))
    response.headers["Retry-After"] = str(refusal.retry_after)
    return response


@blueprint.errorhandler(context.NoAccount)
def _no_account(_: context.NoAccount) -> Response:
    return error(404, "Nothing is set up here yet.")


@blueprint.errorhandler(HTTPException)
def _http(refusal: HTTPException) -> Response:
    return error(refusal.code or 500, refusal.description or refusal.name)
