"""What the studies share: their options, made data, paired timing, tables and claims, figures, gpuwatch itself."""
