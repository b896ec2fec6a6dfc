"""
The matcher keeps the region settled: which surplus serves which need, and what moving it costs.

Keeps lots and areas as the registry told them, its matches and the decisions on them, and marks of
what must be settled, swept or told, and loads as they were reported. Reacts to forecast-updated,
area-updated and delivery-reported. Announces match-found, match-changed and delivery-recorded, and
to each organisation its own view of its matches. Works off its marks and its calendar, answers what
stands and why, and takes decisions and loads.
"""
