"""More of transformers: language models with other kinds of layers, translation, detectors, speech."""

from cases import Example, case
from transformers_cases import BART, DECODER, EAGER, ENCODER, PATCHES, SMALL, pair, text, vision, wrap

OLD = ("torch-old",)

text("gpt_neo", "GPTNeoForCausalLM", "GPTNeoConfig", ["logits"], vocab_size=99, hidden_size=32, num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]], window_size=5, max_position_embeddings=64, exporters=OLD)
text("gptj", "GPTJForCausalLM", "GPTJConfig", ["logits"], vocab_size=99, n_embd=32, n_layer=2, n_head=4, n_positions=64, rotary_dim=4, exporters=OLD)
text("falcon", "FalconForCausalLM", "FalconConfig", ["logits"], vocab_size=99, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, exporters=OLD)
text("phi3", "Phi3ForCausalLM", "Phi3Config", ["logits"], pad_token_id=0, **DECODER, exporters=OLD)
text("gemma3", "Gemma3ForCausalLM", "Gemma3TextConfig", ["logits"], head_dim=8, sliding_window=5, **DECODER, exporters=OLD)
text("stablelm", "StableLmForCausalLM", "StableLmConfig", ["logits"], **DECODER, exporters=OLD)
text("starcoder2", "Starcoder2ForCausalLM", "Starcoder2Config", ["logits"], **DECODER, exporters=OLD)
text("olmo2", "Olmo2ForCausalLM", "Olmo2Config", ["logits"], pad_token_id=0, **DECODER, exporters=OLD)
text("mamba", "MambaForCausalLM", "MambaConfig", ["logits"], mask=False, vocab_size=99, hidden_size=32, num_hidden_layers=2, state_size=4, exporters=OLD)
text("xlm_roberta", "XLMRobertaForSequenceClassification", "XLMRobertaConfig", ["logits"], **ENCODER, exporters=OLD)
text("mobilebert", "MobileBertModel", "MobileBertConfig", ["last_hidden_state"], embedding_size=16, intra_bottleneck_size=16, **SMALL, exporters=OLD)
text("squeezebert", "SqueezeBertModel", "SqueezeBertConfig", ["last_hidden_state"], embedding_size=32, **ENCODER, exporters=OLD)
text("xlnet", "XLNetModel", "XLNetConfig", ["last_hidden_state"], vocab_size=99, d_model=32, n_layer=2, n_head=4, d_inner=64, exporters=OLD)
text("bert_answers", "BertForQuestionAnswering", "BertConfig", ["start_logits", "end_logits"], **ENCODER, exporters=OLD)

pair("pegasus", "PegasusForConditionalGeneration", "PegasusConfig", **BART, exporters=OLD)
pair("m2m100", "M2M100ForConditionalGeneration", "M2M100Config", **BART, exporters=OLD)
pair("mt5", "MT5ForConditionalGeneration", "MT5Config", vocab_size=99, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, decoder_start_token_id=0, **EAGER, exporters=OLD)

vision("yolos", "YolosForObjectDetection", "YolosConfig", ["logits", "pred_boxes"], num_detection_tokens=10, **(PATCHES | dict(image_size=[64, 64])), exporters=OLD)
vision("resnet", "ResNetForImageClassification", "ResNetConfig", ["logits"], embedding_size=8, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], layer_type="basic", exporters=OLD)
vision("mobilenet_v1", "MobileNetV1ForImageClassification", "MobileNetV1Config", ["logits"], image_size=64, depth_multiplier=0.25, exporters=OLD)
vision("poolformer", "PoolFormerForImageClassification", "PoolFormerConfig", ["logits"], hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], exporters=OLD)
vision("pvt_v2", "PvtV2ForImageClassification", "PvtV2Config", ["logits"], image_size=64, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 2, 4], exporters=OLD)
vision("swinv2", "Swinv2Model", "Swinv2Config", ["last_hidden_state"], image_size=64, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4, exporters=OLD)
vision("swin2sr", "Swin2SRForImageSuperResolution", "Swin2SRConfig", ["reconstruction"], 32, image_size=32, embed_dim=16, depths=[2, 2], num_heads=[2, 2], window_size=4, exporters=OLD)
vision("glpn", "GLPNForDepthEstimation", "GLPNConfig", ["predicted_depth"], depths=[1, 1, 1, 1], hidden_sizes=[8, 16, 24, 32], num_attention_heads=[1, 2, 2, 4], decoder_hidden_size=16, exporters=OLD)
vision("dinov3", "DINOv3ViTModel", "DINOv3ViTConfig", ["last_hidden_state"], **PATCHES, exporters=OLD)


def resnet():
    from transformers import ResNetConfig

    return ResNetConfig(embedding_size=8, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], layer_type="basic", out_features=["stage4"])


@case("transformers/detr", "vision", OLD)
def detr_resnet():
    import torch
    from transformers import DetrConfig, DetrForObjectDetection

    sizes = {key: value for key, value in BART.items() if key != "vocab_size"}
    settings = DetrConfig(backbone_config=resnet(), num_queries=10, use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, **sizes)
    inputs = {"pixel_values": torch.rand(1, 3, 64, 64)}
    return Example(wrap(DetrForObjectDetection(settings), ["logits", "pred_boxes"], list(inputs)), inputs, ["logits", "pred_boxes"])


def speech(name, model_class, config_class, **config):
    @case(f"transformers/{name}", "audio", OLD)
    def make():
        import torch
        import transformers

        layers = dict(conv_dim=(16, 16, 16), conv_stride=(5, 2, 2), conv_kernel=(10, 3, 2), num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4)
        model = getattr(transformers, model_class)(getattr(transformers, config_class)(**SMALL, **layers, **config))
        return Example(wrap(model, ["logits"], ["input_values"]), {"input_values": torch.randn(1, 800)}, ["logits"])


speech("hubert", "HubertForCTC", "HubertConfig")
speech("wavlm", "WavLMForCTC", "WavLMConfig", num_buckets=16, max_bucket_distance=32)


@case("transformers/audio_spectrogram", "audio", OLD)
def audio_spectrogram():
    import torch
    from transformers import ASTConfig, ASTForAudioClassification

    model = ASTForAudioClassification(ASTConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, max_length=64, num_mel_bins=32))
    return Example(wrap(model, ["logits"], ["input_values"]), {"input_values": torch.randn(1, 64, 32)}, ["logits"])
