"""Real reverse proxies with the files of deploy/, in front of simulated agents."""
