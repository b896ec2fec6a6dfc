"""Language, contracts and mechanisms that every service shares; no rule of a service."""
