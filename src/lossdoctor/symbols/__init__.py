"""What the code computes, as a formula: the graph read in symbols, simplified, and written for people and for us."""
