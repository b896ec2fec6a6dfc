"""Who asks: a signed token for a key or a sign-in, and the public key to check it with."""

from typing import Annotated, Any

import aiohttp
from fastapi import APIRouter, Depends, Request
from joserfc.jwk import OKPKey

from services.registry import handlers, store
from services.registry.api.answers import Told
from services.registry.api.told import GIVING_TOKEN, TELLING_KEYS, GivenToken, PublicKeys
from services.registry.gateways import KeyFiles, Provider
from shared.access import TOKEN_LIFE_S, Asker, NotKnown, digest, sign
from shared.http import Problem, Reading, Working, settings_of
from shared.openapi import answers

router = APIRouter(tags=["tokens"])


def key_files(request: Request) -> KeyFiles:
    """The key files, one reader an application."""
    state = request.app.state
    if not hasattr(state, "registry_key_files"):
        settings = settings_of(request)
        state.registry_key_files = KeyFiles(
            settings.registry_signing_key_file, settings.registry_platform_keys_file
        )
    files: KeyFiles = state.registry_key_files
    return files


def provider(request: Request) -> Provider | None:
    """The trusted OIDC provider, if one is set."""
    state, settings = request.app.state, settings_of(request)
    if settings.registry_oidc_issuer is None:
        return None
    if not hasattr(state, "registry_provider"):
        state.registry_provider = Provider(
            settings.registry_oidc_issuer, settings.registry_oidc_audience
        )
    known: Provider = state.registry_provider
    return known


Files = Annotated[KeyFiles, Depends(key_files)]
SignIn = Annotated[Provider | None, Depends(provider)]


class Credential(Told):
    """A key, or the id_token of the trusted provider: one of them."""

    key: str | None = None
    id_token: str | None = None


@router.post(
    "/tokens",
    responses=answers(GivenToken) | GIVING_TOKEN,
)
async def give_token(
    credential: Credential, files: Files, sign_in: SignIn, session: Reading, begin: Working
) -> dict[str, Any]:
    """
    A token, five minutes long, that every service reads.

    401 `not_known` for a key that nobody holds, or that was revoked, lapsed or is of a suspended
    organisation; and for a person who is a member nowhere.
    """
    if (credential.key is None) == (credential.id_token is None):
        raise Problem(422, "credential_invalid")
    if credential.key is not None:
        asker = await _by_key(credential.key, files, session)
    else:
        asker = await _by_sign_in(credential.id_token or "", sign_in, begin)
    return {
        "token": sign(asker, _signing_key(files)),
        "expires_in": TOKEN_LIFE_S,
        "asker": {
            "subject": asker.subject,
            "kind": asker.kind,
            "organisations": {name: list(roles) for name, roles in asker.organisations.items()},
            "regions": list(asker.regions),
            "session": asker.session,
            "language": asker.language,
        },
    }


@router.get("/keys", responses=answers(PublicKeys) | TELLING_KEYS)
async def public_keys(files: Files) -> dict[str, Any]:
    """The public half of the signing key, as a JWK set."""
    return {"keys": [_signing_key(files).as_dict(private=False)]}


def _signing_key(files: KeyFiles) -> OKPKey:
    try:
        return files.signing_key()
    except FileNotFoundError as error:
        raise Problem(503, "no_signing_key") from error


async def _by_key(key: str, files: KeyFiles, session: Any) -> Asker:
    name = files.platform_name(key)
    if name is not None:
        return Asker(name, "operator" if name == "operator" else "service")
    token = await store.organisation_of_key(session, digest(key))
    if token is None:
        raise NotKnown("not_known/nobody")
    return Asker(token, "organisation", {token: ("reporter",)})


async def _by_sign_in(id_token: str, sign_in: Provider | None, begin: Any) -> Asker:
    if sign_in is None:
        raise Problem(422, "no_sign_in")
    try:
        identity = await sign_in.identity(id_token)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Problem(503, "provider_away") from error
    async with begin() as work:
        person = await handlers.sign_in(work, subject=identity.subject, email=identity.email)
    if person is None:
        raise NotKnown("not_known/nobody")
    return Asker(
        str(person.id),
        "person",
        person.organisations,
        person.regions,
        person.session,
        person.language,
    )
