"""How the services are started, provisioned, checked and measured; the only place that sees two."""
