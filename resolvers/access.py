"""Who may do what. The first statement of every resolver is one of these verbs (a test reads the source).

What an admin does with a person's data leaves a line in the log: who, what and whose, with the id of the request.
"""

import structlog

from resolvers.context import Info
from services.accounts import Principal, Scope
from services.domain.ids import UserId
from services.errors import Forbidden, PersonNotFound, Unauthenticated

log = structlog.get_logger()


def authenticated(info: Info) -> Principal:
    """The caller. Raises `Unauthenticated`."""
    principal = info.context.principal
    if principal is None:
        raise Unauthenticated("A key is needed.")
    return principal


def acting_for(info: Info, user_id: UserId) -> UserId:
    """The person, when the caller may act for them. Raises as `may_act_for`."""
    return may_act_for(authenticated(info), user_id)


def owner(info: Info) -> UserId | None:
    """Whose rows the caller may see: one person's, or any person's (`None`)."""
    principal = authenticated(info)
    if Scope.SERVICE in principal.scopes:
        _note(principal, field=info.field_name)
        return None
    if principal.user_id is None:
        raise Forbidden("This key is for no person.")
    return principal.user_id


def admin(info: Info) -> Principal:
    """The caller, when they are an admin. Raises `Forbidden`."""
    return must_be_admin(authenticated(info))


def may_act_for(principal: Principal, user_id: UserId) -> UserId:
    """The person, when this caller may act for them.

    Raises `PersonNotFound` otherwise: somebody else's id and one that does not exist get the same answer.
    """
    if principal.user_id != user_id and Scope.SERVICE not in principal.scopes:
        raise PersonNotFound("There is no such person.")
    _note(principal, user=user_id)
    return user_id


def must_be_admin(principal: Principal) -> Principal:
    """The caller, when they are an admin. Raises `Forbidden`."""
    if Scope.ADMIN not in principal.scopes:
        raise Forbidden("This needs the admin key.")
    return principal


def must_serve(principal: Principal) -> Principal:
    """The caller, when they are no single person. Raises `Forbidden`."""
    if Scope.SERVICE not in principal.scopes:
        raise Forbidden("This needs a service key.")
    return principal


def _note(principal: Principal, **what: str) -> None:
    if Scope.ADMIN in principal.scopes:
        log.info("[AUDIT] An admin acts for a person", subject=principal.subject, **what)
