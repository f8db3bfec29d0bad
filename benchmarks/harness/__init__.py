"""The harness: an environment of its own, fresh processes, rounds, tables. Knows no contender."""
