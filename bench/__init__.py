"""`make bench`: events a second, from one run, each figure beside its peer."""
