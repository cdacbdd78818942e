"""sentence-transformers: SentenceTransformerTrainer on static embeddings, whose collator tokenizes each batch."""

from scripts.benchmarks.wild.project import Project, Truth, Variant

PROJECT = Project(
    name="sentence_transformers_static",
    requires=("sentence-transformers", "accelerate", "datasets", "torch"),
    command=("python", "{files}/train.py", "{data}", "--epochs", "2"),
    data=("text.py", "{data}", "pairs", "8000", "60", "8000"),
    truth=Truth(
        bounds=("unknown",),
        causes=(),
        why="24 % of the loop waited for a loader without workers in one run beside others' work; ablations not measured yet",
    ),
    variants=(Variant("one worker", "batches tokenized in a worker process", ("--workers", "1")),),
    workers=(1, 2),
    results=r"'(?:train_loss|eval_made_cosine_ndcg@10)': '?([\d.e-]+)",
)
