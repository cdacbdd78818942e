"""Real training programs of other people, and what is true of them: scripts/wild runs them."""
