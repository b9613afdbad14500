"""Arguments that several small models of keras-hub share, and models inside others."""

VOCABULARY, LENGTH, EXAMPLES = 100, 16, 4

WIDTHS = {"hidden_dim": 64, "intermediate_dim": 128}
ENCODER = {"vocabulary_size": VOCABULARY, "num_layers": 2, "num_heads": 4, **WIDTHS}
SHORT = {**ENCODER, "max_sequence_length": 32}
DECODER = {
    "vocabulary_size": VOCABULARY,
    "num_layers": 2,
    "num_query_heads": 4,
    "num_key_value_heads": 2,
    **WIDTHS,
}
IMAGE = {"image_shape": (32, 32, 3)}
PATCHES = {**IMAGE, "patch_size": 8, "num_layers": 2, "num_heads": 4, "hidden_dim": 64}
SMALL_RESNET = (
    "ResNetBackbone",
    {
        "input_conv_filters": [64],
        "input_conv_kernel_sizes": [3],
        "stackwise_num_filters": [64, 64, 64],
        "stackwise_num_blocks": [1, 1, 1],
        "stackwise_num_strides": [1, 2, 2],
        "block_type": "basic_block",
        **IMAGE,
    },
)
SMALL_MIT = (
    "MiTBackbone",
    {
        "layerwise_depths": [1, 1],
        "num_layers": 2,
        "layerwise_num_heads": [1, 2],
        "layerwise_sr_ratios": [2, 1],
        "max_drop_path_rate": 0.0,
        "layerwise_patch_sizes": [7, 3],
        "layerwise_strides": [4, 2],
        "hidden_dims": [32, 64],
        **IMAGE,
    },
)
WINDOWS = {
    "hidden_size": 64,
    "num_layers": 2,
    "intermediate_dim": 128,
    "num_heads": 4,
    "global_attention_layer_indices": [1],
    "image_shape": (64, 64, 3),
    "patch_size": 8,
    "num_output_channels": 64,
    "window_size": 4,
}
CLIP_VISION = {**PATCHES, "intermediate_dim": 128}
CLIP_TEXT = {**ENCODER, "embedding_dim": 64, "max_sequence_length": LENGTH}
CAPTIONS = {"projection_dim": 64}
BERT = ("BertBackbone", SHORT)
GPT2 = ("GPT2Backbone", SHORT)
GEMMA = ("GemmaBackbone", {**DECODER, "head_dim": 16})
VIT = ("ViTBackbone", {**PATCHES, "mlp_dim": 128})
SEGFORMER = ("SegFormerBackbone", {"image_encoder": SMALL_MIT, "projection_filters": 64})
T5 = ("T5Backbone", ENCODER)
EXPERTS = {**DECODER, "num_experts": 4, "top_k": 2}
SMOLLM = {
    "vocabulary_size": VOCABULARY,
    **WIDTHS,
    "num_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "attention_bias": False,
    "attention_dropout": 0.0,
    "rope_layer_enabled_list": [True, False],
    "layer_types": ["full_attention", "full_attention"],
    "mlp_bias": False,
    "layer_norm_epsilon": 1e-5,
    "max_position_embeddings": 32,
    "rope_theta": 10000.0,
    "partial_rotary_factor": 1.0,
}
T5GEMMA = {
    "vocabulary_size": VOCABULARY,
    **{
        f"{part}_{name}": value
        for part in ("encoder", "decoder")
        for name, value in {
            **WIDTHS,
            "num_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "layer_types": ["full_attention", "full_attention"],
        }.items()
    },
}
LINEAR = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
}
