"""Can the answers be believed: calibration, coverage, fairness, membership."""
