"""One module per project, named like it; each declares PROJECT. Files that a project needs lie in a folder beside it."""

# Programs that were asked for and cannot be run here: (which, why and what runs in its place).
NOT_RUN = (
    (
        "torch-geometric NeighborLoader",
        "needs pyg-lib, which the registry does not have, or torch-sparse, which must be compiled against the installed "
        "torch; torch_geometric_molecules uses its DataLoader of graphs",
    ),
)
