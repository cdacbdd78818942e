"""Two plain scripts that know nothing of gpuwatch: one makes photographs, one trains on them."""
