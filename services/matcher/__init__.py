"""
The matcher keeps the region settled: which surplus serves which need, and what moving it costs.

Keeps lots and areas as the registry told them, matches and the decisions on them. Reacts to
forecast-updated and area-updated. Announces match-found and match-changed, and to each
organisation its own view of them. Answers what stands, why, and takes decisions.
"""
