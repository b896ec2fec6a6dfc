"""
The indicators: the region's mass balance and figures, each with a definition and a state.

Keeps, of what others told: lots, matches and loads with what each of them adds, balance cells
(scope, side, material, month, state), cells of flows and of loads, and titles; of its own: the
figures it has told. Reacts to forecast-updated, match-found, match-changed, delivery-recorded, and
to projects, organisations and areas for their titles. Announces indicator-updated. Answers balance
and figures; everything but the figures told can be thrown away and made again from the journals,
with an equal checksum.
"""
