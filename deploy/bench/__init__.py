"""
The measurements: latency, intake, settling and distance, each beside a floor or peers.

`lots` makes the masses, `ground` the servers they are measured on, `figures` what is told. A bench
runs on a data folder of its own and leaves nothing behind.
"""
