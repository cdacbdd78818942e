"""sentence-transformers: SentenceTransformerTrainer on static embeddings, whose collator tokenizes each batch."""

from scripts.benchmarks.wild.project import Place, Project, Truth, Variant

PROJECT = Project(
    name="sentence_transformers_static",
    requires=("sentence-transformers", "accelerate", "datasets", "torch"),
    command=("python", "{files}/train.py", "{data}", "--epochs", "2"),
    data=("text.py", "{data}", "pairs", "8000", "60", "8000"),
    truth=Truth(
        bounds=("input",),
        causes=("expensive-transform", "expensive-collate"),
        also=("no-worker-processes", "slow-sampler", "epoch-end"),
        places=(Place("sentence_transformers_static/train.py"),),
        why="cached batches make the loop 2.25 times as fast; one or two workers make it slower (0.72 to 0.81)",
        advice="no-worker-processes",
        fix="workers=2",
    ),
    variants=(Variant("one worker", "batches tokenized in a worker process", ("--workers", "1")),),
    workers=(1, 2),
    results=r"'(?:train_loss|eval_made_cosine_ndcg@10)': '?([\d.e-]+)",
)
