"""Speed and memory of jtorch beside torch and hand-written JAX; each script says what it measures."""
