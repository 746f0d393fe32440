"""Programs on their way to C: operators become calls of kernels and fused loops over flat buffers."""
