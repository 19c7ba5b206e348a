"""What things are: run, series, finding, cause, evidence, frame.  Frozen values, no behaviour that needs a clock."""
