"""What is in force: faults that were injected, and for whom."""
