"""The programs under measurement, and the floors that they are compared with: a program in each file."""
