"""More of transformers: detectors, depth, masks, speech, and language models with other kinds of layers."""

from cases import STATIC, TORCH, Example, case
from transformers_cases import DECODER, ENCODER, PATCHES, SMALL, pair, text, tokens, vision, wrap

BACKBONE = dict(
    use_timm_backbone=False, use_pretrained_backbone=False, backbone=None,
)  # fmt: skip


def resnet():
    from transformers import ResNetConfig

    return ResNetConfig(embedding_size=8, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], layer_type="basic", out_features=["stage4"])


text("gpt_neo", "GPTNeoForCausalLM", "GPTNeoConfig", ["logits"], vocab_size=99, hidden_size=32, num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]], window_size=5, max_position_embeddings=64)
text("gptj", "GPTJForCausalLM", "GPTJConfig", ["logits"], vocab_size=99, n_embd=32, n_layer=2, n_head=4, n_positions=64, rotary_dim=4)
text("falcon", "FalconForCausalLM", "FalconConfig", ["logits"], vocab_size=99, hidden_size=32, num_hidden_layers=2, num_attention_heads=4)
text("phi3", "Phi3ForCausalLM", "Phi3Config", ["logits"], pad_token_id=0, **DECODER)
text("gemma3", "Gemma3ForCausalLM", "Gemma3TextConfig", ["logits"], head_dim=8, sliding_window=5, **DECODER)
text("stablelm", "StableLmForCausalLM", "StableLmConfig", ["logits"], **DECODER)
text("starcoder2", "Starcoder2ForCausalLM", "Starcoder2Config", ["logits"], **DECODER)
text("olmo2", "Olmo2ForCausalLM", "Olmo2Config", ["logits"], pad_token_id=0, **DECODER)
text("cohere", "CohereForCausalLM", "CohereConfig", ["logits"], pad_token_id=0, **DECODER)
text("mixtral", "MixtralForCausalLM", "MixtralConfig", ["logits"], num_local_experts=4, **DECODER)
text("mamba", "MambaForCausalLM", "MambaConfig", ["logits"], mask=False, vocab_size=99, hidden_size=32, num_hidden_layers=2, state_size=4)
text("xlm_roberta", "XLMRobertaForSequenceClassification", "XLMRobertaConfig", ["logits"], **ENCODER)
text("mobilebert", "MobileBertModel", "MobileBertConfig", ["last_hidden_state"], embedding_size=16, intra_bottleneck_size=16, **SMALL)
text("squeezebert", "SqueezeBertModel", "SqueezeBertConfig", ["last_hidden_state"], embedding_size=32, **ENCODER)
text("fnet", "FNetModel", "FNetConfig", ["last_hidden_state"], mask=False, vocab_size=99, hidden_size=32, intermediate_size=64, num_hidden_layers=2)
text("xlnet", "XLNetModel", "XLNetConfig", ["last_hidden_state"], vocab_size=99, d_model=32, n_layer=2, n_head=4, d_inner=64)
text("bert_answers", "BertForQuestionAnswering", "BertConfig", ["start_logits", "end_logits"], **ENCODER)

S2S = dict(
    vocab_size=99, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=64,
    decoder_ffn_dim=64, max_position_embeddings=64,
)  # fmt: skip
pair("pegasus", "PegasusForConditionalGeneration", "PegasusConfig", **S2S)
pair("m2m100", "M2M100ForConditionalGeneration", "M2M100Config", **S2S)
pair("mt5", "MT5ForConditionalGeneration", "MT5Config", vocab_size=99, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, decoder_start_token_id=0, attn_implementation="eager")

vision("vit_mae_free", "ViTModel", "ViTConfig", ["last_hidden_state"], **PATCHES)
vision("yolos", "YolosForObjectDetection", "YolosConfig", ["logits", "pred_boxes"], num_detection_tokens=10, **(PATCHES | dict(image_size=[64, 64])))
vision("resnet", "ResNetForImageClassification", "ResNetConfig", ["logits"], embedding_size=8, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], layer_type="basic")
vision("mobilenet_v1", "MobileNetV1ForImageClassification", "MobileNetV1Config", ["logits"], image_size=64, depth_multiplier=0.25)
vision("mobilevitv2", "MobileViTV2ForImageClassification", "MobileViTV2Config", ["logits"], image_size=64, width_multiplier=0.25)
vision("levit", "LevitForImageClassification", "LevitConfig", ["logits"], hidden_sizes=[16, 32, 48], num_attention_heads=[2, 4, 6], depths=[2, 2, 2], key_dim=[8, 8, 8])
vision("cvt", "CvtForImageClassification", "CvtConfig", ["logits"], embed_dim=[8, 16, 32], num_heads=[1, 2, 4], depth=[1, 1, 2])
vision("poolformer", "PoolFormerForImageClassification", "PoolFormerConfig", ["logits"], hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1])
vision("pvt_v2", "PvtV2ForImageClassification", "PvtV2Config", ["logits"], image_size=64, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 2, 4])
vision("efficientnet", "EfficientNetForImageClassification", "EfficientNetConfig", ["logits"], image_size=64, width_coefficient=0.5, depth_coefficient=0.5)
vision("swinv2", "Swinv2Model", "Swinv2Config", ["last_hidden_state"], image_size=64, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4)
vision("swin2sr", "Swin2SRForImageSuperResolution", "Swin2SRConfig", ["reconstruction"], 32, image_size=32, embed_dim=16, depths=[2, 2], num_heads=[2, 2], window_size=4)
vision("glpn", "GLPNForDepthEstimation", "GLPNConfig", ["predicted_depth"], depths=[1, 1, 1, 1], hidden_sizes=[8, 16, 24, 32], num_attention_heads=[1, 2, 2, 4], decoder_hidden_size=16)
vision("dpt", "DPTForDepthEstimation", "DPTConfig", ["predicted_depth"], backbone_out_indices=[0, 1, 1, 1], neck_hidden_sizes=[8, 16, 24, 32], fusion_hidden_size=16, is_hybrid=False, **PATCHES)
vision("dinov3", "DINOv3ViTModel", "DINOv3ViTConfig", ["last_hidden_state"], **PATCHES)


def detr(name, model_class, config_class, **config):
    @case(f"transformers/{name}", "vision", STATIC)
    def make():
        import torch
        import transformers

        settings = getattr(transformers, config_class)(**config)
        inputs = {"pixel_values": torch.rand(1, 3, 64, 64)}
        return Example(wrap(getattr(transformers, model_class)(settings), ["logits", "pred_boxes"], list(inputs)), inputs, ["logits", "pred_boxes"])


@case("transformers/detr", "vision", STATIC)
def detr_resnet():
    import torch
    from transformers import DetrConfig, DetrForObjectDetection

    settings = DetrConfig(backbone_config=resnet(), num_queries=10, **{k: v for k, v in S2S.items() if k != "vocab_size"}, **BACKBONE)
    inputs = {"pixel_values": torch.rand(1, 3, 64, 64)}
    return Example(wrap(DetrForObjectDetection(settings), ["logits", "pred_boxes"], list(inputs)), inputs, ["logits", "pred_boxes"])


@case("transformers/rt_detr", "vision", STATIC)
def rt_detr():
    import torch
    from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrResNetConfig

    backbone = RTDetrResNetConfig(embedding_size=8, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], layer_type="basic", out_features=["stage2", "stage3", "stage4"])
    settings = RTDetrConfig(
        backbone_config=backbone, encoder_hidden_dim=32, encoder_in_channels=[16, 24, 32], encoder_ffn_dim=64, encoder_attention_heads=4, d_model=32,
        decoder_in_channels=[32, 32, 32], decoder_ffn_dim=64, decoder_layers=2, decoder_attention_heads=4, num_queries=20, num_denoising=0,
        anchor_image_size=None, **BACKBONE,
    )  # fmt: skip
    inputs = {"pixel_values": torch.rand(1, 3, 128, 128)}
    return Example(wrap(RTDetrForObjectDetection(settings), ["logits", "pred_boxes"], list(inputs)), inputs, ["logits", "pred_boxes"])


def speech(name, model_class, config_class, **config):
    @case(f"transformers/{name}", "audio", STATIC)
    def make():
        import torch
        import transformers

        layers = dict(conv_dim=(16, 16, 16), conv_stride=(5, 2, 2), conv_kernel=(10, 3, 2), num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4)
        model = getattr(transformers, model_class)(getattr(transformers, config_class)(**SMALL, **layers, **config))
        return Example(wrap(model, ["logits"], ["input_values"]), {"input_values": torch.randn(1, 800)}, ["logits"])


speech("hubert", "HubertForCTC", "HubertConfig")
speech("wavlm", "WavLMForCTC", "WavLMConfig", num_buckets=16, max_bucket_distance=32)


@case("transformers/audio_spectrogram", "audio", STATIC)
def audio_spectrogram():
    import torch
    from transformers import ASTConfig, ASTForAudioClassification

    model = ASTForAudioClassification(ASTConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, max_length=64, num_mel_bins=32))
    return Example(wrap(model, ["logits"], ["input_values"]), {"input_values": torch.randn(1, 64, 32)}, ["logits"])


@case("transformers/whisper_encoder", "audio", STATIC)
def whisper_encoder():
    import torch
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    config = WhisperConfig(**(S2S | dict(num_mel_bins=20, max_source_positions=50, max_target_positions=64, pad_token_id=0)))
    return Example(wrap(WhisperEncoder(config), ["last_hidden_state"], ["input_features"]), {"input_features": torch.randn(1, 20, 100)}, ["last_hidden_state"])


@case("transformers/videomae", "video", STATIC)
def videomae():
    import torch
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    model = VideoMAEForVideoClassification(VideoMAEConfig(num_frames=4, **PATCHES))
    return Example(wrap(model, ["logits"], ["pixel_values"]), {"pixel_values": torch.rand(1, 4, 3, 64, 64)}, ["logits"])


@case("transformers/sam_encoder", "vision", STATIC)
def sam_encoder():
    import torch
    from transformers import SamVisionConfig, SamVisionModel

    model = SamVisionModel(SamVisionConfig(output_channels=16, window_size=3, global_attn_indexes=[1], mlp_dim=64, **{k: v for k, v in PATCHES.items() if k != "intermediate_size"}))
    return Example(wrap(model, ["last_hidden_state"], ["pixel_values"]), {"pixel_values": torch.rand(1, 3, 64, 64)}, ["last_hidden_state"])


@case("transformers/sentence_embedding", "language", TORCH)
def sentence_embedding():
    """The mean of the tokens that are not hidden, of length 1."""
    import torch
    from transformers import BertConfig, BertModel

    class Embedding(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = BertModel(BertConfig(**ENCODER))

        def forward(self, input_ids, attention_mask):
            states = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            seen = attention_mask[..., None].to(states.dtype)
            return torch.nn.functional.normalize((states * seen).sum(1) / seen.sum(1).clamp(min=1e-9), p=2, dim=1)

    inputs = {"input_ids": tokens(), "attention_mask": torch.ones(2, 12, dtype=torch.int64)}
    inputs["attention_mask"][1, -4:] = 0
    return Example(Embedding(), inputs, ["embedding"], {name: {0: "batch", 1: "sequence"} for name in inputs})


@case("transformers/patchtst", "series", STATIC)
def patchtst():
    import torch
    from transformers import PatchTSTConfig, PatchTSTForPrediction

    model = PatchTSTForPrediction(PatchTSTConfig(num_input_channels=3, context_length=32, patch_length=8, patch_stride=4, prediction_length=6, d_model=16, num_attention_heads=4, num_hidden_layers=2, ffn_dim=32))
    return Example(wrap(model, ["prediction_outputs"], ["past_values"]), {"past_values": torch.randn(2, 32, 3)}, ["prediction_outputs"])
