"""
The notifier tells people and systems what concerns them: on the desk, by mail, by webhook.

Keeps what it heard of organisations, projects and matches; its own are the inbox of each person,
preferences, webhooks, and one notification per revision told, reader and channel. Reacts to
matches, near misses, loads, organisations, projects, forecasts, areas, questions to owners and
duplicates. Announces notification-sent. Answers a person's inbox, and takes webhooks and
preferences.
"""
