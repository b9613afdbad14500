"""Small models of keras-hub, as plain data: classes, their arguments, and sizes of inputs.

`MODELS` has for each name a class of keras-hub and its arguments, in which such pairs stand for
inner models. `SHAPES` has the shapes of inputs that follow neither from the model nor from
`LENGTH`.
"""

from typing import Any

from hub_parts import (
    BERT,
    CAPTIONS,
    CLIP_TEXT,
    CLIP_VISION,
    DECODER,
    ENCODER,
    EXPERTS,
    GEMMA,
    GPT2,
    IMAGE,
    LENGTH,
    LINEAR,
    PATCHES,
    SEGFORMER,
    SHORT,
    SMALL_MIT,
    SMALL_RESNET,
    SMOLLM,
    T5,
    T5GEMMA,
    VIT,
    VOCABULARY,
    WIDTHS,
    WINDOWS,
)

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    # Texts, both directions.
    "ALBERT": ("AlbertBackbone", {**SHORT, "embedding_dim": 32}),
    "BERT": BERT,
    "DeBERTa V3": ("DebertaV3Backbone", {**SHORT, "bucket_size": 8}),
    "DistilBERT": ("DistilBertBackbone", SHORT),
    "ELECTRA": (
        "ElectraBackbone",
        {
            "vocab_size": VOCABULARY,
            "num_layers": 2,
            "num_heads": 4,
            **WIDTHS,
            "embedding_dim": 32,
            "max_sequence_length": 32,
        },
    ),
    "ESM": ("ESMBackbone", {**SHORT}),
    "F-Net": (
        "FNetBackbone",
        {"vocabulary_size": VOCABULARY, "num_layers": 2, **WIDTHS, "max_sequence_length": LENGTH},
    ),
    "RoBERTa": ("RobertaBackbone", SHORT),
    "RoFormer V2": ("RoformerV2Backbone", {**ENCODER, "head_size": 16}),
    "XLM-RoBERTa": ("XLMRobertaBackbone", SHORT),
    "XLNet": ("XLNetBackbone", ENCODER),
    "BERT, classifier": ("BertTextClassifier", {"backbone": BERT, "num_classes": 3}),
    "BERT, masked tokens": ("BertMaskedLM", {"backbone": BERT}),
    # From texts to texts.
    "BART": ("BartBackbone", SHORT),
    "T5": T5,
    "T5, tied table": ("T5Seq2SeqLM", {"backbone": T5}),
    "T5Gemma": ("T5GemmaBackbone", T5GEMMA),
    # Texts, from left to right.
    "BLOOM": ("BloomBackbone", ENCODER),
    "Falcon": (
        "FalconBackbone",
        {"vocabulary_size": VOCABULARY, "num_layers": 2, "num_attention_heads": 4, **WIDTHS},
    ),
    "GPT-2": GPT2,
    "GPT-2, causal": ("GPT2CausalLM", {"backbone": GPT2}),
    "GPT-NeoX": ("GPTNeoXBackbone", SHORT),
    "Gemma": GEMMA,
    "Gemma, causal": ("GemmaCausalLM", {"backbone": GEMMA}),
    "Gemma 3": ("Gemma3Backbone", {**DECODER, "head_dim": 16, "image_size": 16}),
    "GPT-OSS": ("GptOssBackbone", EXPERTS),
    "Llama": ("LlamaBackbone", DECODER),
    "Llama, causal": ("LlamaCausalLM", {"backbone": ("LlamaBackbone", DECODER)}),
    "Llama 3": ("Llama3Backbone", DECODER),
    "Mistral": ("MistralBackbone", DECODER),
    "Mixtral": ("MixtralBackbone", EXPERTS),
    "OPT": ("OPTBackbone", SHORT),
    "Phi-3": ("Phi3Backbone", DECODER),
    "Qwen": ("QwenBackbone", DECODER),
    "Qwen MoE": (
        "QwenMoeBackbone",
        {**EXPERTS, "moe_intermediate_dim": 64, "shared_expert_intermediate_dim": 64},
    ),
    "Qwen3": ("Qwen3Backbone", {**DECODER, "head_dim": 16}),
    "Qwen3 MoE": (
        "Qwen3MoeBackbone",
        {**EXPERTS, "moe_intermediate_dim": 64, "head_dim": 16},
    ),
    "Qwen3.5": (
        "Qwen3_5Backbone",
        {
            **DECODER,
            "head_dim": 16,
            **LINEAR,
            "layer_types": ["linear_attention", "full_attention"],
        },
    ),
    "RWKV-7": (
        "RWKV7Backbone",
        {
            "hidden_size": 64,
            "head_size": 16,
            "num_layers": 2,
            "vocabulary_size": VOCABULARY,
            "intermediate_dim": 128,
            "gate_lora": 16,
            "mv_lora": 16,
            "aaa_lora": 16,
            "decay_lora": 16,
        },
    ),
    "SmolLM": ("SmolLMBackbone", SMOLLM),
    # Sound.
    "Moonshine": (
        "MoonshineBackbone",
        {
            "vocabulary_size": VOCABULARY,
            "filter_dim": 64,
            "encoder_num_layers": 2,
            "decoder_num_layers": 2,
            "encoder_num_heads": 4,
            "decoder_num_heads": 4,
            **WIDTHS,
        },
    ),
    "Whisper": (
        "WhisperBackbone",
        {**ENCODER, "max_encoder_sequence_length": 64, "max_decoder_sequence_length": 32},
    ),
    # Images.
    "CSPNet": (
        "CSPNetBackbone",
        {
            "stem_filters": 16,
            "stem_kernel_size": 3,
            "stem_strides": 1,
            "stackwise_depth": [1, 1],
            "stackwise_strides": [1, 2],
            "stackwise_num_filters": [32, 64],
            "block_type": "dark_block",
            "stage_type": "dark",
            **IMAGE,
        },
    ),
    "DeepLabV3": (
        "DeepLabV3Backbone",
        {
            "image_encoder": SMALL_RESNET,
            "spatial_pyramid_pooling_key": "P4",
            "low_level_feature_key": "P2",
            "upsampling_size": 4,
            "dilation_rates": [2, 4],
            **IMAGE,
        },
    ),
    "DeiT": ("DeiTBackbone", {**PATCHES, "intermediate_dim": 128}),
    "DenseNet": ("DenseNetBackbone", {"stackwise_num_repeats": [2, 2], "growth_rate": 16, **IMAGE}),
    "DINOv2": (
        "DINOV2Backbone",
        {**PATCHES, "intermediate_dim": 128, "position_embedding_shape": (32, 32, 3)},
    ),
    "DINOv3": ("DINOV3Backbone", {**PATCHES, "intermediate_dim": 128}),
    "EfficientNet": (
        "EfficientNetBackbone",
        {
            "stackwise_kernel_sizes": [3, 3],
            "stackwise_num_repeats": [1, 1],
            "stackwise_input_filters": [16, 24],
            "stackwise_output_filters": [24, 32],
            "stackwise_expansion_ratios": [1, 4],
            "stackwise_squeeze_and_excite_ratios": [0.25, 0.25],
            "stackwise_strides": [1, 2],
            "stackwise_block_types": ["v1", "unfused"],
            "stackwise_width_coefficients": [1.0, 1.0],
            "stackwise_depth_coefficients": [1.0, 1.0],
            "stackwise_force_input_filters": [0, 0],
            "stackwise_nores_option": [False, False],
            "num_features": 64,
            "input_shape": (32, 32, 3),
        },
    ),
    "HGNetV2": (
        "HGNetV2Backbone",
        {
            "depths": [1, 1],
            "embedding_size": 16,
            "hidden_sizes": [32, 64],
            "stem_channels": [3, 16, 16],
            "hidden_act": "relu",
            "use_learnable_affine_block": False,
            "stackwise_stage_filters": [[16, 16, 32, 1, 2, 3], [32, 16, 64, 1, 2, 3]],
            "apply_downsample": [False, True],
            "use_lightweight_conv_block": [False, True],
            **IMAGE,
        },
    ),
    "MiT": SMALL_MIT,
    "MobileNet": (
        "MobileNetBackbone",
        {
            "stackwise_expansion": [[32], [64]],
            "stackwise_num_blocks": [1, 1],
            "stackwise_num_filters": [[16], [32]],
            "stackwise_kernel_size": [[3], [5]],
            "stackwise_num_strides": [[1], [2]],
            "stackwise_se_ratio": [[None], [0.25]],
            "stackwise_activation": [["relu"], ["hard_swish"]],
            "stackwise_padding": [[1], [2]],
            "output_num_filters": 64,
            "depthwise_filters": 16,
            "depthwise_stride": 1,
            "depthwise_residual": True,
            "last_layer_filter": 64,
            **IMAGE,
        },
    ),
    "ResNet": SMALL_RESNET,
    "RetinaNet": (
        "RetinaNetBackbone",
        {"image_encoder": SMALL_RESNET, "min_level": 3, "max_level": 4, "use_p5": False, **IMAGE},
    ),
    "SAM": (
        "SAMBackbone",
        {
            "image_encoder": ("ViTDetBackbone", WINDOWS),
            "prompt_encoder": (
                "SAMPromptEncoder",
                {
                    "hidden_size": 64,
                    "image_embedding_size": (8, 8),
                    "input_image_size": (64, 64),
                    "mask_in_channels": 16,
                },
            ),
            "mask_decoder": (
                "SAMMaskDecoder",
                {
                    "hidden_size": 64,
                    "num_layers": 2,
                    "intermediate_dim": 128,
                    "num_heads": 4,
                    "embedding_dim": 64,
                    "num_multimask_outputs": 3,
                    "iou_head_depth": 2,
                    "iou_head_hidden_dim": 64,
                },
            ),
        },
    ),
    "SAM, image encoder": ("ViTDetBackbone", WINDOWS),
    "SegFormer": SEGFORMER,
    "SegFormer, segmenter": (
        "SegFormerImageSegmenter",
        {"backbone": SEGFORMER, "num_classes": 3},
    ),
    "Swin": (
        "SwinTransformerBackbone",
        {**IMAGE, "embed_dim": 32, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4},
    ),
    "VGG": (
        "VGGBackbone",
        {"stackwise_num_repeats": [1, 1], "stackwise_num_filters": [16, 32], **IMAGE},
    ),
    "ViT": VIT,
    "ViT, classifier": ("ViTImageClassifier", {"backbone": VIT, "num_classes": 3}),
    "Xception": (
        "XceptionBackbone",
        {
            "stackwise_conv_filters": [[16, 32], [64, 64]],
            "stackwise_pooling": [True, False],
            **IMAGE,
        },
    ),
    # Texts and images.
    "CLIP": (
        "CLIPBackbone",
        {
            "vision_encoder": ("CLIPVisionEncoder", CLIP_VISION),
            "text_encoder": ("CLIPTextEncoder", CLIP_TEXT),
            **CAPTIONS,
        },
    ),
    "MetaCLIP 2": (
        "MetaCLIP2Backbone",
        {
            "vision_encoder": ("MetaCLIP2VisionEncoder", CLIP_VISION),
            "text_encoder": ("MetaCLIP2TextEncoder", CLIP_TEXT),
            **CAPTIONS,
        },
    ),
    "PaliGemma": (
        "PaliGemmaBackbone",
        {
            **DECODER,
            "head_dim": 16,
            "image_size": 16,
            "vit_patch_size": 8,
            "vit_num_heads": 4,
            "vit_hidden_dim": 64,
            "vit_num_layers": 2,
            "vit_intermediate_dim": 128,
        },
    ),
    "SigLIP": (
        "SigLIPBackbone",
        {
            "vision_encoder": ("SigLIPVisionEncoder", CLIP_VISION),
            "text_encoder": ("SigLIPTextEncoder", {**CLIP_TEXT, "projection_dim": 64}),
        },
    ),
}

# By model and input: the shape of one example.
SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "BERT, masked tokens": {"mask_positions": (4,)},
    "Moonshine": {"encoder_input_values": (1024, 1), "encoder_padding_mask": (1024,)},
    "Whisper": {"encoder_features": (64, 80)},
    "SAM": {"points": (2, 2), "labels": (2,), "boxes": (1, 2, 2), "masks": (1, 32, 32, 1)},
    "PaliGemma": {"images": (16, 16, 3), "response_mask": (LENGTH,)},
}
# Tasks whose table multiplies, too. Tables are rounded only where a rule says so.
TABLES = (
    "BERT, masked tokens",
    "Gemma, causal",
    "GPT-2, causal",
    "Llama, causal",
    "T5, tied table",
)
# Inputs of integers that are no tokens: what is below which number.
BELOW = {"segment": 2, "label": 2, "mask_positions": LENGTH}
