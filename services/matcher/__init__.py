"""
The matcher keeps the region settled: which surplus serves which need, and what moving it costs.

Keeps lots and areas as the registry told them, its matches and the decisions on them, and marks of
what must be settled, swept or told. Reacts to forecast-updated and area-updated. Announces
match-found and match-changed, and to each organisation its own view of them. Works off its marks,
answers what stands and why, and takes decisions.
"""
