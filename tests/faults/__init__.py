"""The long suite: kills at random and at named points, servers away."""
