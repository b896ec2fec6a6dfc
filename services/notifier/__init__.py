"""
The notifier tells people and systems what concerns them: on the desk, by mail, by webhook.

Keeps what it heard of organisations, projects and matches; its own are the inbox of each person,
preferences, webhooks, and one notification per match revision, reader and channel. Reacts to
match-found, match-changed, organisation-updated, project-added and project-updated. Announces
notification-sent. Answers a person's inbox, and takes webhooks and preferences.
"""
