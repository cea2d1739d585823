"""The published methods: one file a method."""
