"""Changes the code of the agent, one small change at a time, to find changes that no test notices."""
