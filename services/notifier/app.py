"""The notifier's identity card."""

from datetime import timedelta
from functools import partial

from services.notifier import handlers, store
from services.notifier.api import router
from services.notifier.gateways import Courier, PostOffice, Registry
from services.notifier.settings import Settings
from shared.contracts import (
    AreaUpdated,
    ConfirmationAsked,
    DeliveryRecorded,
    DuplicateChanged,
    DuplicateSuggested,
    ForecastUpdated,
    MatchChanged,
    MatchFound,
    NearMissFound,
    NotificationSent,
    OrganisationUpdated,
    ProjectAdded,
    ProjectUpdated,
    ProjectWithdrawn,
)
from shared.service import Due, Service, batch

MAIL = Due("mail", ("id",), size=8, lease_s=120.0, at_once=8)
DIGEST = Due("digest", ("person",), size=8)
WEBHOOK = Due("webhook", ("id",), size=16, lease_s=90.0, at_once=16)


def build(settings: Settings) -> Service:
    """The notifier as *settings* say; nothing is opened."""
    rules = rules_of(settings)
    registry = Registry(settings.registry_url, settings.service_key_file)
    matches = batch(partial(handlers.hear_matches, rules=rules), size=100)
    projects = batch(partial(handlers.hear_projects, rules=rules), size=100)
    facts = batch(partial(handlers.hear_facts, rules=rules), size=100)
    pairs = batch(partial(handlers.hear_duplicates, rules=rules), size=100)
    works_off = {WEBHOOK: partial(handlers.post_webhook, rules=rules, courier=courier(settings))}
    if settings.notifier_smtp_host is not None:
        post = post_office(settings, settings.notifier_smtp_host)
        works_off[DIGEST] = partial(handlers.write_digest)
        works_off[MAIL] = partial(handlers.send_mail, rules=rules, registry=registry, post=post)
    return Service(
        name="notifier",
        settings=settings,
        ledger=store.ledger,
        reacts_to={
            MatchFound: matches,
            MatchChanged: matches,
            NearMissFound: batch(partial(handlers.hear_near_misses, rules=rules), size=100),
            ConfirmationAsked: partial(handlers.hear_question, rules=rules),
            OrganisationUpdated: partial(handlers.hear_organisation, rules=rules),
            ProjectAdded: projects,
            ProjectUpdated: projects,
            ProjectWithdrawn: facts,
            ForecastUpdated: facts,
            AreaUpdated: facts,
            DuplicateSuggested: pairs,
            DuplicateChanged: pairs,
            DeliveryRecorded: facts,
        },
        works_off=works_off,
        announces=(NotificationSent,),
        api=router,
    )


def rules_of(settings: Settings) -> handlers.Rules:
    """What the handlers are told of *settings*."""
    return handlers.Rules(
        news=timedelta(days=settings.notifier_news_days),
        grace=timedelta(seconds=settings.notifier_late_member_grace_s),
        mail=settings.notifier_smtp_host is not None,
        mail_pauses_s=settings.notifier_mail_retry_s,
        webhook_pauses_s=settings.notifier_webhook_retry_s,
        near_worth_cents=settings.notifier_near_worth_eur * 100,
        digest_after=timedelta(seconds=settings.notifier_digest_after_s),
        digest_every=timedelta(seconds=settings.notifier_digest_every_s),
    )


def post_office(settings: Settings, host: str) -> PostOffice:
    """The mail server at *host*."""
    return PostOffice(
        host=host,
        port=settings.notifier_smtp_port,
        security=settings.notifier_smtp_security,
        user=settings.notifier_smtp_user,
        password_file=settings.notifier_smtp_password_file,
        sender=settings.notifier_mail_from,
        timeout_s=settings.notifier_smtp_timeout_s,
        portal_url=settings.notifier_portal_url,
    )


def courier(settings: Settings) -> Courier:
    """Who posts to webhooks, and where he may go."""
    return Courier(settings.notifier_webhook_networks, settings.notifier_webhook_timeout_s)
