"""Rules tried on recorded footage before they are armed: what would have been raised, when, and why."""
