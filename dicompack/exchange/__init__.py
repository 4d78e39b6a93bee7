"""The outside world: where instances come from and where they go."""
