"""What is measured, and the floors it is measured against: each a program of its own."""
