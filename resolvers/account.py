"""Who is calling."""

from dataclasses import dataclass

from resolvers.access import authenticated
from resolvers.context import Info
from services.domain.ids import UserId


@dataclass(frozen=True, slots=True)
class Viewer:
    """A caller as they may see themselves."""

    subject: str
    scopes: tuple[str, ...]
    user_id: UserId | None


def viewer(info: Info) -> Viewer:
    principal = authenticated(info)
    return Viewer(principal.subject, tuple(sorted(scope.value for scope in principal.scopes)), principal.user_id)
