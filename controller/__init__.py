"""The cluster controller: one spec in, one status tree out, one level-triggered pass between them."""
