"""One file per endpoint: parameters in, view out."""
