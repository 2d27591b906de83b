"""What pages read, remembered between runs and visitors."""
