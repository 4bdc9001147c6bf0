"""Models of the transformers package with small configurations."""

from cases import FUSED, STATIC, TORCH, Example, case

SMALL = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, vocab_size=99)


def wrap(model, outputs, names, **fixed):
    """A module that takes the named tensors in order and returns a tuple of the named results."""
    import torch

    class Wrapped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, *arrays):
            result = self.model(**dict(zip(names, arrays)), **fixed)
            return tuple(getattr(result, name) for name in outputs)

    return Wrapped()


def tokens(length=12, batch=2):
    import torch

    return torch.randint(1, 90, (batch, length))


def text(name, model_class, config_class, outputs, mask=True, batch=2, tweak=None, exporters=FUSED, **config):
    """A model of tokens, and a mask that hides the last two of the second sequence."""

    @case(f"transformers/{name}", "language", exporters)
    def make():
        import torch
        import transformers

        settings = getattr(transformers, config_class)(**config)
        model = getattr(transformers, model_class)(settings)
        if tweak:
            tweak(model)
        inputs = {"input_ids": tokens(batch=batch)}
        if mask:
            inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
            if batch > 1:
                inputs["attention_mask"][1, -2:] = 0
        sizes = {name: {0: "batch", 1: "sequence"} for name in inputs}
        fixed = {} if settings.is_encoder_decoder or not hasattr(settings, "use_cache") else {"use_cache": False}
        return Example(wrap(model, outputs, list(inputs), **fixed), inputs, outputs, sizes)


ENCODER = dict(SMALL, max_position_embeddings=64)
text("bert", "BertModel", "BertConfig", ["last_hidden_state", "pooler_output"], **ENCODER)
text("bert_classifier", "BertForSequenceClassification", "BertConfig", ["logits"], exporters=(*FUSED, "ort-dynamic"), **ENCODER)
text("roberta", "RobertaForMaskedLM", "RobertaConfig", ["logits"], **ENCODER)
text("electra", "ElectraModel", "ElectraConfig", ["last_hidden_state"], embedding_size=16, **ENCODER)
text("albert", "AlbertModel", "AlbertConfig", ["last_hidden_state"], embedding_size=16, **ENCODER)
text("mpnet", "MPNetModel", "MPNetConfig", ["last_hidden_state"], **ENCODER)
text("deberta_v2", "DebertaV2Model", "DebertaV2Config", ["last_hidden_state"], relative_attention=True, pos_att_type=["p2c", "c2p"], **ENCODER)
text("modernbert", "ModernBertModel", "ModernBertConfig", ["last_hidden_state"], pad_token_id=0, **ENCODER)
text(
    "distilbert", "DistilBertForTokenClassification", "DistilBertConfig", ["logits"],
    vocab_size=99, dim=32, hidden_dim=64, n_layers=2, n_heads=4, max_position_embeddings=64,
)  # fmt: skip
text("gpt2", "GPT2LMHeadModel", "GPT2Config", ["logits"], vocab_size=99, n_embd=32, n_layer=2, n_head=4, n_positions=64)
text("gpt_neox", "GPTNeoXForCausalLM", "GPTNeoXConfig", ["logits"], **ENCODER)
DECODER = dict(ENCODER, num_key_value_heads=2)
text("llama", "LlamaForCausalLM", "LlamaConfig", ["logits"], **DECODER)
text("mistral", "MistralForCausalLM", "MistralConfig", ["logits"], sliding_window=5, **DECODER)
text("qwen2", "Qwen2ForCausalLM", "Qwen2Config", ["logits"], **DECODER)
text("qwen3", "Qwen3ForCausalLM", "Qwen3Config", ["logits"], head_dim=8, **DECODER)
text("gemma2", "Gemma2ForCausalLM", "Gemma2Config", ["logits"], head_dim=8, **DECODER)
text("phi", "PhiForCausalLM", "PhiConfig", ["logits"], **DECODER)
text("opt", "OPTForCausalLM", "OPTConfig", ["logits"], vocab_size=99, hidden_size=32, ffn_dim=64, num_hidden_layers=2, num_attention_heads=4, word_embed_proj_dim=32)
text("bloom", "BloomForCausalLM", "BloomConfig", ["logits"], vocab_size=99, hidden_size=32, n_layer=2, n_head=4)


def pair(name, model_class, config_class, exporters=TORCH, **config):
    """An encoder and a decoder."""

    @case(f"transformers/{name}", "language", exporters)
    def make():
        import transformers

        model = getattr(transformers, model_class)(getattr(transformers, config_class)(**config))
        inputs = {"input_ids": tokens(), "decoder_input_ids": tokens(5)}
        sizes = {"input_ids": {0: "batch", 1: "sequence"}, "decoder_input_ids": {0: "batch", 1: "written"}}
        return Example(wrap(model, ["logits"], list(inputs), use_cache=False), inputs, ["logits"], sizes)


# The new exporter cannot decompose the fused attention of these: "Cannot view a tensor".
EAGER = dict(attn_implementation="eager")
pair("t5", "T5ForConditionalGeneration", "T5Config", vocab_size=99, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, decoder_start_token_id=0, **EAGER)
BART = dict(
    vocab_size=99, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=64,
    decoder_ffn_dim=64, max_position_embeddings=64,
)  # fmt: skip
pair("bart", "BartForConditionalGeneration", "BartConfig", **BART)
pair("marian", "MarianMTModel", "MarianConfig", pad_token_id=0, decoder_start_token_id=0, **BART)


@case("transformers/whisper", "audio", ("torch-new",))  # the old exporter lacks aten::diff
def whisper():
    import torch
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    config = WhisperConfig(**(BART | dict(num_mel_bins=20, max_source_positions=50, max_target_positions=64, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=3, suppress_tokens=None, begin_suppress_tokens=None)))  # fmt: skip
    inputs = {"input_features": torch.randn(1, 20, 100), "decoder_input_ids": tokens(6, 1)}
    return Example(wrap(WhisperForConditionalGeneration(config), ["logits"], list(inputs), use_cache=False), inputs, ["logits"])


@case("transformers/wav2vec2", "audio", STATIC)
def wav2vec2():
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    config = Wav2Vec2Config(**SMALL, conv_dim=(16, 16, 16), conv_stride=(5, 2, 2), conv_kernel=(10, 3, 2), num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4)
    return Example(wrap(Wav2Vec2ForCTC(config), ["logits"], ["input_values"]), {"input_values": torch.randn(1, 800)}, ["logits"])


def vision(name, model_class, config_class, outputs, size=64, exporters=TORCH, **config):
    @case(f"transformers/{name}", "vision", exporters)
    def make():
        import torch
        import transformers

        model = getattr(transformers, model_class)(getattr(transformers, config_class)(**config))
        inputs = {"pixel_values": torch.rand(1, 3, size, size)}
        return Example(wrap(model, outputs, list(inputs)), inputs, outputs, {"pixel_values": {0: "batch"}})


PATCHES = dict(image_size=64, patch_size=16, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4)
vision("vit", "ViTForImageClassification", "ViTConfig", ["logits"], **PATCHES)
vision("deit", "DeiTModel", "DeiTConfig", ["last_hidden_state"], **PATCHES)
vision("beit", "BeitModel", "BeitConfig", ["last_hidden_state"], use_relative_position_bias=True, **EAGER, **PATCHES)
vision("dinov2", "Dinov2Model", "Dinov2Config", ["last_hidden_state"], **{k: v for k, v in PATCHES.items() if k != "intermediate_size"})
vision("siglip_vision", "SiglipVisionModel", "SiglipVisionConfig", ["last_hidden_state", "pooler_output"], **PATCHES)
vision("swin", "SwinModel", "SwinConfig", ["last_hidden_state"], image_size=64, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4, **EAGER)
vision("convnextv2", "ConvNextV2ForImageClassification", "ConvNextV2Config", ["logits"], depths=[1, 1, 2, 1], hidden_sizes=[8, 16, 32, 64])
vision("mobilevit", "MobileViTForImageClassification", "MobileViTConfig", ["logits"], image_size=64, hidden_sizes=[16, 24, 32], neck_hidden_sizes=[8, 8, 16, 24, 24, 32, 48])
vision(
    "segformer", "SegformerForSemanticSegmentation", "SegformerConfig", ["logits"],
    depths=[1, 1, 1, 1], hidden_sizes=[8, 16, 24, 32], num_attention_heads=[1, 2, 2, 4], decoder_hidden_size=16,
)  # fmt: skip


@case("transformers/clip", "vision", STATIC)
def clip():
    import torch
    from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

    words = CLIPTextConfig(vocab_size=99, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=32, eos_token_id=98, pad_token_id=0, bos_token_id=97)  # fmt: skip
    model = CLIPModel(CLIPConfig(text_config=words.to_dict(), vision_config=CLIPVisionConfig(**PATCHES).to_dict(), projection_dim=16))
    ids = tokens()
    ids[:, -1] = 98
    inputs = {"input_ids": ids, "pixel_values": torch.rand(2, 3, 64, 64), "attention_mask": torch.ones_like(ids)}
    outputs = ["logits_per_image", "text_embeds", "image_embeds"]
    return Example(wrap(model, outputs, list(inputs)), inputs, outputs)


@case("transformers/llama_with_cache", "language", TORCH)
def llama_with_cache():
    """One step of generation: keys and values of earlier tokens go in, those of all tokens come out."""
    import torch
    from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

    model = LlamaForCausalLM(LlamaConfig(**DECODER))

    class Step(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask, key0, value0, key1, value1):
            cache = DynamicCache()
            cache.update(key0, value0, 0)
            cache.update(key1, value1, 1)
            result = self.model(input_ids=input_ids, attention_mask=attention_mask, past_key_values=cache, use_cache=True)
            kept = result.past_key_values
            return result.logits, kept.layers[0].keys, kept.layers[0].values, kept.layers[1].keys, kept.layers[1].values

    names = ["key0", "value0", "key1", "value1"]
    inputs = {"input_ids": tokens(1), "attention_mask": torch.ones(2, 8, dtype=torch.int64)}
    inputs |= {name: torch.randn(2, 2, 7, 8) for name in names}
    dynamic = {"input_ids": {0: "batch"}, "attention_mask": {0: "batch", 1: "all"}} | {name: {0: "batch", 2: "kept"} for name in names}
    return Example(Step(), inputs, ["logits"] + ["new_" + name for name in names], dynamic)
