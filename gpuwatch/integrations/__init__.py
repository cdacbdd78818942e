"""Where people already work: what gpuwatch hands over there. Nothing of theirs is imported before it is used."""
