"""Recurrent taggers, and small networks as people write them by hand."""

from cases import STATIC, TORCH, Example, case


def tagger(name, cell, state=False, **arguments):
    @case(f"torch/{name}", "recurrent", STATIC if state else TORCH)
    def make():
        import torch
        from torch import nn

        class Tagger(nn.Module):
            def __init__(self):
                super().__init__()
                self.embedding = nn.Embedding(50, 16)
                self.cell = getattr(nn, cell)(16, 24, **arguments)
                self.head = nn.Linear(48 if arguments.get("bidirectional") else 24, 7)

            def forward(self, tokens, start=None):
                hidden, end = self.cell(self.embedding(tokens), start)
                result = self.head(hidden)
                return (result, end) if state else result

        tokens = torch.randint(0, 50, (2, 9))
        inputs, dynamic = {"tokens": tokens}, {"tokens": {0: "batch", 1: "length"}}
        if state:
            inputs["start"] = torch.randn(1, 2 if arguments.get("batch_first") else 9, 24)
            dynamic = {}
        return Example(Tagger(), inputs, ["tags", "end"] if state else ["tags"], dynamic)


tagger("lstm_tagger", "LSTM", batch_first=True)
tagger("bilstm_tagger", "LSTM", batch_first=True, bidirectional=True, num_layers=2)
tagger("gru_tagger", "GRU", batch_first=True)
tagger("bigru_tagger", "GRU", bidirectional=True)
tagger("gru_with_state", "GRU", state=True, batch_first=True)
tagger("rnn_tagger", "RNN", batch_first=True, nonlinearity="relu")


@case("torch/attention_block", "transformer", TORCH)
def attention_block():
    import torch

    layer = torch.nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, activation="gelu")
    model = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return Example(model, {"x": torch.randn(2, 11, 32)}, ["y"], {"x": {0: "batch"}})


@case("torch/decoder_block", "transformer", ("torch-new",))  # the old exporter fails on it
def decoder_block():
    import torch

    layer = torch.nn.TransformerDecoderLayer(32, 4, 64, batch_first=True, norm_first=True)
    model = torch.nn.TransformerDecoder(layer, 2)
    return Example(model, {"x": torch.randn(2, 7, 32), "memory": torch.randn(2, 11, 32)}, ["y"])


@case("torch/unet", "segmenter", TORCH)
def unet():
    import torch
    from torch import nn

    def block(a, b):
        return nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.LeakyReLU(0.1))

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.down = nn.ModuleList([block(3, 8), block(8, 16), block(16, 32)])
            self.up = nn.ModuleList([nn.ConvTranspose2d(32, 16, 2, 2), nn.ConvTranspose2d(16, 8, 3, 2, 1, 1)])
            self.join = nn.ModuleList([block(32, 16), block(16, 8)])
            self.head = nn.Conv2d(8, 2, 1)

        def forward(self, x):
            kept = []
            for i, down in enumerate(self.down):
                x = down(x)
                if i < 2:
                    kept.append(x)
                    x = nn.functional.max_pool2d(x, 2)
            for up, join in zip(self.up, self.join):
                x = join(torch.cat([up(x), kept.pop()], 1))
            return nn.functional.interpolate(self.head(x), scale_factor=2, mode="bilinear", align_corners=True)

    return Example(UNet(), {"image": torch.rand(1, 3, 32, 32)}, ["mask"], {"image": {0: "batch", 2: "height", 3: "width"}})


@case("torch/tcn", "audio", STATIC)
def tcn():
    from torch import nn, rand

    model = nn.Sequential(
        nn.Conv1d(12, 16, 3, padding=4, dilation=4), nn.GroupNorm(4, 16), nn.SiLU(), nn.Conv1d(16, 16, 5, stride=2, groups=16),
        nn.InstanceNorm1d(16, affine=True), nn.PReLU(16), nn.AvgPool1d(3, 2, 1), nn.ConvTranspose1d(16, 8, 4, 2, 1), nn.Hardswish(),
        nn.AdaptiveAvgPool1d(7), nn.Flatten(), nn.Linear(56, 6), nn.LogSoftmax(-1),
    )  # fmt: skip
    return Example(model, {"audio": rand(2, 12, 60)}, ["scores"])


@case("torch/autoencoder3d", "volume", STATIC)
def autoencoder3d():
    from torch import nn, rand

    model = nn.Sequential(
        nn.Conv3d(1, 4, 3, stride=2, padding=1), nn.BatchNorm3d(4), nn.ELU(), nn.Conv3d(4, 8, 3, padding=1), nn.MaxPool3d(2),
        nn.ConvTranspose3d(8, 4, 2, 2), nn.Softplus(), nn.Upsample(scale_factor=2), nn.Conv3d(4, 1, 1), nn.Sigmoid(),
    )  # fmt: skip
    return Example(model, {"volume": rand(1, 1, 8, 16, 16)}, ["y"])
