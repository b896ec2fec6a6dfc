"""
The portal is the coordinators' web desk: it keeps nothing and asks the other services.

Keeps no database, no queue and no session: who is signed in stands in a sealed cookie, what may
be seen is decided by the service that owns it. Listens to the content-free signals of the others
and passes them on to open pages, which then fetch again what they show. Announces nothing.
"""
