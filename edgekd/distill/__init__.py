"""Training a population against measurements, a teacher and, in stage 2, the stage-1 student."""
