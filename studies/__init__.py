"""A study: many trainings declared in one file, done one after the other, read in one table."""
