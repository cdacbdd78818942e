"""Stacks as frameworks have them between the user's line and torch: which part of a step they are in, and what a pause is."""

from __future__ import annotations

import pytest

from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.analyze.lines.model_calls import IN_MODEL, part_of
from gpuwatch.analyze.lines.samples import Sample
from gpuwatch.analyze.lines.step_parts import StepParts, place_in_steps

SITE = "/v/lib/python3.11/site-packages"
Stack = tuple[Frame, ...]


def site(*frames: tuple[str, str]) -> Stack:
    return tuple(Frame(function, f"{SITE}/{file}", 10 + n) for n, (function, file) in enumerate(frames))


MODULE = site(
    ("Module._wrapped_call_impl", "torch/nn/modules/module.py"), ("Module._call_impl", "torch/nn/modules/module.py")
)
NET = (*MODULE, Frame("Net.forward", "/home/me/net.py", 5))
BACKWARD = site(
    ("Tensor.backward", "torch/_tensor.py"),
    ("backward", "torch/autograd/__init__.py"),
    ("_engine_run_backward", "torch/autograd/graph.py"),
)
TORCH_STEP = site(
    ("Optimizer.profile_hook_step.<locals>.wrapper", "torch/optim/optimizer.py"),
    ("_use_grad_for_differentiable.<locals>._use_grad", "torch/optim/optimizer.py"),
    ("AdamW.step", "torch/optim/adamw.py"),
)
USER = (Frame("<module>", "/home/me/train.py", 9),)
FASTAI = (*USER, *site(("Learner.fit", "fastai/learner.py"), ("Learner._do_one_batch", "fastai/learner.py")))
ACCELERATE = (*USER, *site(("Accelerator.backward", "accelerate/accelerator.py")))
LIGHTNING = (
    *USER,
    *site(
        ("Trainer.fit", "lightning/pytorch/trainer/trainer.py"),
        ("_TrainingEpochLoop.advance", "lightning/pytorch/loops/training_epoch_loop.py"),
    ),
)
CLOSURE = (
    *LIGHTNING,
    *site(("Closure.__call__", "lightning/pytorch/loops/optimization/automatic.py")),
)
ULTRALYTICS = (
    Frame("<module>", "/v/bin/yolo", 10),
    *site(("entrypoint", "ultralytics/cfg/__init__.py"), ("BaseTrainer._do_train", "ultralytics/engine/trainer.py")),
)
KERAS = (
    *USER,
    *site(
        ("TorchTrainer.fit", "keras/src/backend/torch/trainer.py"), ("train_step", "keras/src/backend/torch/trainer.py")
    ),
)
MODEL = [
    (*FASTAI, *NET),
    (*FASTAI, *BACKWARD),
    (*FASTAI, *site(("Optimizer.step", "fastai/optimizer.py"), ("adam_step", "fastai/optimizer.py"))),
    (*ACCELERATE, *BACKWARD),
    (*USER, *site(("AcceleratedOptimizer.step", "accelerate/optimizer.py")), *TORCH_STEP),
    (*LIGHTNING, *TORCH_STEP, *site(("Closure.__call__", "lightning/pytorch/closure.py")), *NET),
    (*CLOSURE, *BACKWARD),
    (*LIGHTNING, *TORCH_STEP),
    (*ULTRALYTICS, *NET, *site(("v8DetectionLoss.__call__", "ultralytics/utils/loss.py"))),
    (*ULTRALYTICS, *BACKWARD),
    (*KERAS, *site(("Layer.__call__", "keras/src/layers/layer.py"), ("conv", "keras/src/backend/torch/nn.py"))),
    (*KERAS, *site(("Loss.__call__", "keras/src/losses/loss.py"))),
    (
        *KERAS,
        *site(("BaseOptimizer.apply", "keras/src/optimizers/base_optimizer.py"), ("add", "keras/src/ops/numpy.py")),
    ),
    # An optimizer of a third library, below torch's wrapper.
    (
        *USER,
        *site(
            ("Optimizer.profile_hook_step.<locals>.wrapper", "torch/optim/optimizer.py"),
            ("Lamb.step", "timm/optim/lamb.py"),
            ("_lamb", "timm/optim/lamb.py"),
        ),
    ),
    (*USER, *site(("grad", "torch/autograd/__init__.py"), ("_engine_run_backward", "torch/autograd/graph.py"))),
]
OUTSIDE = [
    (*LIGHTNING, *site(("EarlyStopping.on_train_batch_end", "lightning/pytorch/callbacks/early_stopping.py"))),
    (*LIGHTNING, *TORCH_STEP, *site(("_Logger.log", "lightning/pytorch/loggers/csv.py"))),
    (*KERAS, *site(("CSVLogger.on_train_batch_end", "keras/src/callbacks/csv_logger.py"))),
    (*USER, Frame("backward", "/home/me/train.py", 7)),
]


def sample(stack: Stack, weight: float = 1.0, activity: str = "step") -> Sample:
    own = next(frame for frame in reversed(stack) if SITE not in frame.file)
    place = (own.file, own.line, own.function)
    return Sample(7, "trainer", activity, *place, None, None, stack, weight, weight / 50, 0.0, None)


def counted(*samples: Sample) -> tuple[list[Sample], StepParts]:
    placed, counts = place_in_steps(samples)
    return placed, counts[7]


@pytest.mark.parametrize("stack", MODEL)
def test_the_model_is_the_model_below_every_framework(stack: Stack) -> None:
    assert part_of(stack) in IN_MODEL


@pytest.mark.parametrize("stack", OUTSIDE)
def test_callbacks_and_logging_are_not_the_model(stack: Stack) -> None:
    assert part_of(stack) not in IN_MODEL


def test_a_library_built_on_torch_may_be_running_the_model_anywhere() -> None:
    written_out = (*LIGHTNING, *site(("contrastive", "lightning/losses.py")))
    numpy = (*USER, *site(("histogram", "numpy/lib/histograms.py")))
    _, counts = counted(sample((*LIGHTNING, *NET), 8), sample(written_out, 3), sample(numpy, 2))
    assert dict(counts.parts) == {"forward": 8, "torch": 3, "library": 2}


def test_of_a_frameworks_line_the_callback_is_named() -> None:
    early = OUTSIDE[0]
    logging = (*early, *site(("Logger.info", "rich/logging.py")))
    placed, _ = counted(sample((*LIGHTNING, *NET), 8), sample(logging))
    assert [s.callback for s in placed] == [None, "EarlyStopping.on_train_batch_end"]
    saving = (
        *LIGHTNING,
        *site(("Trainer.save_checkpoint", "lightning/pytorch/trainer/trainer.py"), ("f", "fsspec/x.py")),
    )
    placed, _ = counted(sample((*LIGHTNING, *NET), 8), sample(saving))
    assert placed[1].callback == "Trainer.save_checkpoint"


LOOP = (Frame("main", "/home/me/train.py", 30),)
ESTIMATE = (Frame("main", "/home/me/train.py", 20), Frame("estimate_loss", "/home/me/train.py", 12))
BATCH = (
    Frame("main", "/home/me/train.py", 20),
    Frame("estimate_loss", "/home/me/train.py", 11),
    Frame("get_batch", "/home/me/train.py", 5),
)
SAVING = (Frame("main", "/home/me/train.py", 25), *site(("save", "torch/serialization.py")))
TRAINED = (sample((*LOOP, *NET), 50), sample((*LOOP, *BACKWARD), 60), sample((*LOOP, *TORCH_STEP), 9))


def test_a_model_called_in_long_steps_only_is_evaluated_there() -> None:
    long = [sample((*ESTIMATE, *NET), 40, "long step"), sample(BATCH, 5, "long step"), sample(SAVING, 15, "long step")]
    placed, counts = counted(*TRAINED, *long)
    assert [s.activity for s in placed[3:]] == ["evaluation", "evaluation", "long step"]
    assert (counts.long, counts.evaluation, counts.rollout) == (60, 45, 0)
    assert counts.parts["forward"] == 50


def test_a_pause_that_steps_an_environment_and_asks_the_model_is_a_rollout() -> None:
    act = (Frame("main", "/home/me/train.py", 15), Frame("Agent.act", "/home/me/agent.py", 8))
    environment = (Frame("main", "/home/me/train.py", 16), *site(("SyncVectorEnv.step", "gymnasium/vector/sync.py")))
    storing = (Frame("main", "/home/me/train.py", 17),)
    long = [
        sample((*act, *NET), 30, "long step"),
        sample(environment, 60, "long step"),
        sample(storing, 10, "long step"),
    ]
    placed, counts = counted(*TRAINED, *long)
    assert {s.activity for s in placed[3:]} == {"rollout"}
    assert (counts.rollout, counts.policy, counts.environment) == (100, 30, 60)


def test_a_rollout_in_a_framework_has_one_line_and_paths_of_its_own() -> None:
    learn = (*USER, *site(("PPO.learn", "stable_baselines3/ppo/ppo.py")))
    collect = (*learn, *site(("collect_rollouts", "stable_baselines3/common/on_policy.py")))
    train = (*learn, *site(("PPO.train", "stable_baselines3/ppo/ppo.py")))
    environment = site(
        ("DummyVecEnv.step_wait", "stable_baselines3/vec.py"), ("CartPole.step", "gymnasium/cartpole.py")
    )
    samples = [
        sample((*collect, *NET), 30, "long step"),
        sample((*collect, *environment), 50, "long step"),
        # The time of a sample is known to a tenth of a second or so.
        sample((*collect, *NET), 10, "step"),
        sample((*train, *NET), 20, "step"),
        sample((*train, *BACKWARD), 5, "long step"),
        sample((*train, *BACKWARD), 20, "step"),
    ]
    placed, counts = counted(*samples)
    assert [s.activity for s in placed] == ["rollout"] * 3 + ["step"] * 3
    assert (counts.policy, counts.environment) == (40, 50)


def test_a_usual_pause_stays_one() -> None:
    _, counts = counted(*TRAINED, sample(SAVING, 30, "long step"), sample((*LOOP, *NET), 3, "long step"))
    assert (counts.long, counts.evaluation, counts.rollout) == (30, 0, 0)


def test_a_forward_that_seems_to_be_in_the_long_steps_only_is_that_of_the_training() -> None:
    step = (*LOOP, Frame("training_step", "/home/me/net.py", 3))
    long = [sample((*step, *NET), 25, "long step"), sample(SAVING, 60, "long step")]
    placed, counts = counted(*TRAINED[1:], *long)
    assert [s.activity for s in placed[2:]] == ["long step"] * 2
    assert counts.parts["forward"] == 25
    # Another way to the model from the function that trains, as in a GAN.
    placed, _ = counted(*TRAINED, sample((Frame("main", "/home/me/train.py", 33), *NET), 25, "long step"))
    assert placed[3].activity == "long step"


def test_pictures_drawn_by_a_diffusion_model_are_an_evaluation() -> None:
    draw = (Frame("main", "/home/me/train.py", 15), Frame("log_validation", "/home/me/train.py", 8))
    pipeline = (*draw, *site(("DDPMPipeline.__call__", "diffusers/pipelines/ddpm.py")))
    schedule = (*pipeline, *site(("DDPMScheduler.step", "diffusers/schedulers/ddpm.py")))
    noise = (*schedule, *site(("randn", "torch/functional.py")))
    weights = ((*pipeline, *NET), 80), (schedule, 10), (noise, 10)
    placed, counts = counted(*TRAINED, *(sample(stack, weight, "long step") for stack, weight in weights))
    assert {s.activity for s in placed[3:]} == {"evaluation"}
    assert (counts.evaluation, counts.rollout) == (100, 0)


def kinds(*samples: Sample) -> dict[int, str]:
    return {s.line: s.activity for s in counted(*samples)[0] if s.part == "own"}


def test_lines_far_more_often_in_long_steps_than_others_belong_there() -> None:
    def at(line: int, step: float, long: float) -> list[Sample]:
        stack = (Frame("main", "/home/me/train.py", line),)
        return [sample(stack, step), sample(stack, long, "long step")]

    # Pauses are short beside what the time of a sample may be off: half of their samples seem to be in usual steps.
    assert kinds(*at(30, 380, 20), *at(24, 45, 45)) == {30: "step", 24: "long step"}
    # Where they take most of the time, most of everything seems to be in them.
    assert kinds(*at(30, 45, 55), *at(24, 30, 170)) == {30: "step", 24: "long step"}
