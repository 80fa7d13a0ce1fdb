"""Data sets: records in millivolts with their labels and splits, one file per data set."""
