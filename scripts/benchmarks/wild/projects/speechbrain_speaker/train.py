"""Speaker identification as in SpeechBrain's template: `python train.py train.yaml --data_folder DATA`."""

import sys

import speechbrain as sb
import torch
from hyperpyyaml import load_hyperpyyaml


class SpkIdBrain(sb.Brain):
    def compute_forward(self, batch, stage):
        batch = batch.to(self.device)
        feats, lens = self.prepare_features(batch.sig, stage)
        embeddings = self.modules.embedding_model(feats, lens)
        return self.modules.classifier(embeddings)

    def prepare_features(self, wavs, stage):
        wavs, lens = wavs
        if stage == sb.Stage.TRAIN and hasattr(self.hparams, "wav_augment"):
            wavs, lens = self.hparams.wav_augment(wavs, lens)
        feats = self.modules.compute_features(wavs)
        return self.modules.mean_var_norm(feats, lens), lens

    def compute_objectives(self, predictions, batch, stage):
        _, lens = batch.sig
        spkid, _ = batch.spk_id_encoded
        if stage == sb.Stage.TRAIN and hasattr(self.hparams, "wav_augment"):
            spkid = self.hparams.wav_augment.replicate_labels(spkid)
            lens = self.hparams.wav_augment.replicate_labels(lens)
        loss = sb.nnet.losses.nll_loss(predictions, spkid, lens)
        self.loss_metric.append(batch.id, predictions, spkid, lens, reduction="batch")
        if stage != sb.Stage.TRAIN:
            self.error_metrics.append(batch.id, predictions, spkid, lens)
        return loss

    def on_stage_start(self, stage, epoch=None):
        self.loss_metric = sb.utils.metric_stats.MetricStats(metric=sb.nnet.losses.nll_loss)
        if stage != sb.Stage.TRAIN:
            self.error_metrics = self.hparams.error_stats()

    def on_stage_end(self, stage, stage_loss, epoch=None):
        if stage == sb.Stage.TRAIN:
            self.train_loss = stage_loss
        elif stage == sb.Stage.VALID:
            stats = {"loss": stage_loss, "error": self.error_metrics.summarize("average")}
            self.hparams.train_logger.log_stats(
                {"Epoch": epoch}, train_stats={"loss": self.train_loss}, valid_stats=stats
            )
            print(f"epoch {epoch} train loss {self.train_loss:.5f} valid loss {stage_loss:.5f}")
            self.checkpointer.save_and_keep_only(meta=stats, min_keys=["error"])


def dataio_prep(hparams):
    label_encoder = sb.dataio.encoder.CategoricalEncoder()

    @sb.utils.data_pipeline.takes("wav")
    @sb.utils.data_pipeline.provides("sig")
    def audio_pipeline(wav):
        return sb.dataio.dataio.read_audio(wav)

    @sb.utils.data_pipeline.takes("spk_id")
    @sb.utils.data_pipeline.provides("spk_id", "spk_id_encoded")
    def label_pipeline(spk_id):
        yield spk_id
        yield label_encoder.encode_label_torch(spk_id)

    datasets = {
        name: sb.dataio.dataset.DynamicItemDataset.from_json(
            json_path=hparams[f"{name}_annotation"],
            replacements={"data_root": hparams["data_folder"]},
            dynamic_items=[audio_pipeline, label_pipeline],
            output_keys=["id", "sig", "spk_id_encoded"],
        )
        for name in ("train", "valid")
    }
    label_encoder.update_from_didataset(datasets["train"], "spk_id")
    return datasets


if __name__ == "__main__":
    hparams_file, run_opts, overrides = sb.parse_arguments(sys.argv[1:])
    with open(hparams_file) as fin:
        hparams = load_hyperpyyaml(fin, overrides)
    torch.manual_seed(hparams["seed"])
    sb.create_experiment_directory(
        experiment_directory=hparams["output_folder"], hyperparams_to_save=hparams_file, overrides=overrides
    )
    datasets = dataio_prep(hparams)
    spk_id_brain = SpkIdBrain(
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
    )
    spk_id_brain.fit(
        epoch_counter=hparams["epoch_counter"],
        train_set=datasets["train"],
        valid_set=datasets["valid"],
        train_loader_kwargs=hparams["dataloader_options"],
        valid_loader_kwargs=hparams["dataloader_options"],
        progressbar=False,
    )
