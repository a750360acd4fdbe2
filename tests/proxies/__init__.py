"""The reverse proxies of deploy/, for real, in front of simulated agents."""
