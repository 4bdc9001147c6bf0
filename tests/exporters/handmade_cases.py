"""Networks as people write them by hand: detection heads, text in pictures, generators, diffusion, speech, points, recommendations."""

from cases import SMALLER, TORCH, Example, case

ALL = (*TORCH, *SMALLER)
ROUND = (*TORCH, *SMALLER[1:])  # these mix half floats with others
NEW = TORCH[1:]  # the old exporter lacks an operator


def network(name, family, inputs, outputs, dynamic=None, exporters=TORCH, **details):
    """Decorator of the function that makes the module. inputs: name -> shape, or a function that makes the tensor"""

    def add(make):
        def example():
            import torch

            arrays = {key: value() if callable(value) else torch.rand(*value) * 2 - 1 for key, value in inputs.items()}
            return Example(make(), arrays, outputs, dynamic if dynamic is not None else {key: {0: "batch"} for key in inputs})

        case(f"torch/{name}", family, exporters, **details)(example)
        return make

    return add


def integers(high, *shape):
    def make():
        import torch

        return torch.randint(0, high, shape)

    return make


@network("yolo_head", "vision", {"image": (1, 3, 64, 64)}, ["boxes", "scores"], exporters=ALL)
def yolo_head():
    """Three scales whose distances are the mean of a distribution, decoded to boxes."""
    import torch
    from torch import nn

    def conv(a, b, k=3, s=2):
        return nn.Sequential(nn.Conv2d(a, b, k, s, k // 2, bias=False), nn.BatchNorm2d(b), nn.SiLU())

    class Split(nn.Module):
        def __init__(self, c):
            super().__init__()
            self.first, self.last = conv(c, c, 1, 1), conv(c // 2 * 3, c, 1, 1)
            self.inner = conv(c // 2, c // 2, 3, 1)

        def forward(self, x):
            parts = list(self.first(x).chunk(2, 1))
            parts.append(self.inner(parts[-1]))
            return self.last(torch.cat(parts, 1))

    class Yolo(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(conv(3, 8), conv(8, 16), Split(16))
            self.stages = nn.ModuleList(nn.Sequential(conv(a, b), Split(b)) for a, b in ((16, 16), (16, 32), (32, 32)))
            self.pool = nn.MaxPool2d(5, 1, 2)
            self.boxes = nn.ModuleList(nn.Conv2d(c, 4 * 8, 1) for c in (16, 32, 32))
            self.classes = nn.ModuleList(nn.Conv2d(c, 5, 1) for c in (16, 32, 32))
            self.up = nn.Upsample(scale_factor=2)
            self.join = conv(64, 32, 1, 1)

        def forward(self, x):
            x = self.stem(x)
            levels = []
            for stage in self.stages:
                x = stage(x)
                levels.append(x)
            levels[2] = self.pool(levels[2])
            levels[1] = self.join(torch.cat([self.up(levels[2]), levels[1]], 1))
            rows, scores, anchors, strides = [], [], [], []
            for level, box, kind in zip(levels, self.boxes, self.classes):
                height, width = level.shape[-2:]
                rows.append(box(level).flatten(2))
                scores.append(kind(level).flatten(2))
                y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
                anchors.append(torch.stack([x, y], -1).view(-1, 2))
                strides.append(torch.full((height * width, 1), 64.0 / height))
            distances = torch.cat(rows, 2)
            batch, _, count = distances.shape
            spread = distances.view(batch, 4, 8, count).transpose(2, 1).softmax(1)
            distances = (spread * torch.arange(8.0).view(1, 8, 1, 1)).sum(1)
            low, high = distances.chunk(2, 1)
            centres, step = torch.cat(anchors).T[None], torch.cat(strides).T
            low, high = centres - low, centres + high
            return torch.cat([(low + high) / 2, high - low], 1) * step, torch.cat(scores, 2).sigmoid()

    return Yolo()


@network("centre_peaks", "vision", {"image": (2, 3, 32, 32)}, ["scores", "classes", "boxes"])
def centre_peaks():
    """The best local maxima of a heat map, and what other maps say there."""
    import torch
    from torch import nn

    class Peaks(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU6())
            self.heat, self.size = nn.Conv2d(16, 4, 3, padding=1), nn.Conv2d(16, 2, 3, padding=1)

        def forward(self, x):
            x = self.body(x)
            heat = self.heat(x).sigmoid()
            heat = heat * (nn.functional.max_pool2d(heat, 3, 1, 1) == heat)
            height, width = heat.shape[2:]
            scores, at = heat.flatten(1).topk(10)
            place = at % (height * width)
            size = self.size(x).flatten(2).gather(2, place[:, None].expand(-1, 2, -1))
            x, y = (place % width).float(), torch.div(place, width, rounding_mode="floor").float()
            centre = torch.stack([x, y], -1)
            size = size.transpose(1, 2) / 2
            return scores, at // (height * width), torch.cat([centre - size, centre + size], -1)

    return Peaks()


@network("text_reader", "recurrent", {"image": (2, 1, 32, 64)}, ["letters"], {"image": {0: "batch", 3: "width"}}, exporters=ALL)
def text_reader():
    """Convolutions, then a recurrence along the width."""
    from torch import nn

    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
                nn.MaxPool2d(2), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d((8, 1)),
            )  # fmt: skip
            self.cell = nn.LSTM(16, 12, bidirectional=True)
            self.head = nn.Linear(24, 11)

        def forward(self, image):
            features = self.body(image).squeeze(2).permute(2, 0, 1)
            return self.head(self.cell(features)[0]).log_softmax(2)

    return Reader()


@network("super_resolution", "vision", {"image": (1, 1, 24, 20)}, ["large"], {"image": {0: "batch", 2: "height", 3: "width"}})
def super_resolution():
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2), nn.Tanh(), nn.Conv2d(16, 8, 3, padding=1), nn.PReLU(), nn.Conv2d(8, 9, 3, padding=1),
        nn.PixelShuffle(3),
    )  # fmt: skip


@network("generator", "vision", {"noise": (2, 16, 1, 1)}, ["image"])
def generator():
    from torch import nn

    return nn.Sequential(
        nn.ConvTranspose2d(16, 32, 4, bias=False), nn.BatchNorm2d(32), nn.ReLU(True), nn.ConvTranspose2d(32, 16, 4, 2, 1, bias=False),
        nn.BatchNorm2d(16), nn.LeakyReLU(0.2), nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip


@network("style_transfer", "vision", {"image": (1, 3, 32, 40)}, ["styled"], {"image": {2: "height", 3: "width"}})
def style_transfer():
    from torch import nn

    def layer(a, b, k, s=1):
        return nn.Sequential(nn.ReflectionPad2d(k // 2), nn.Conv2d(a, b, k, s), nn.InstanceNorm2d(b, affine=True), nn.ReLU())

    return nn.Sequential(
        layer(3, 8, 9), layer(8, 16, 3, 2), layer(16, 16, 3), nn.Upsample(scale_factor=2, mode="nearest"), layer(16, 8, 3),
        nn.ReplicationPad2d(4), nn.Conv2d(8, 3, 9),
    )  # fmt: skip


@network("diffusion_unet", "vision", {"sample": (2, 4, 16, 16), "time": integers(1000, 2), "text": (2, 7, 24)}, ["noise"], exporters=ROUND)
def diffusion_unet():
    """Time as sines, group normalisation, attention over the pixels and to the text."""
    import math

    import torch
    from torch import nn

    class Residual(nn.Module):
        def __init__(self, a, b):
            super().__init__()
            self.norm, self.conv = nn.GroupNorm(4, a), nn.Conv2d(a, b, 3, padding=1)
            self.time, self.last, self.skip = nn.Linear(32, b), nn.Conv2d(b, b, 3, padding=1), nn.Conv2d(a, b, 1)

        def forward(self, x, time):
            inner = self.conv(nn.functional.silu(self.norm(x))) + self.time(nn.functional.silu(time))[:, :, None, None]
            return self.skip(x) + self.last(nn.functional.silu(inner))

    class Attention(nn.Module):
        def __init__(self, c, context):
            super().__init__()
            self.norm, self.q, self.kv, self.out = nn.LayerNorm(c), nn.Linear(c, c), nn.Linear(context, 2 * c), nn.Linear(c, c)
            self.wide, self.narrow = nn.Linear(c, 4 * c), nn.Linear(2 * c, c)

        def forward(self, x, context=None):
            inner = self.norm(x)
            q, (k, v) = self.q(inner), self.kv(inner if context is None else context).chunk(2, -1)
            q, k, v = (t.unflatten(-1, (4, -1)).transpose(1, 2) for t in (q, k, v))
            x = x + self.out(nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
            value, gate = self.wide(x).chunk(2, -1)
            return x + self.narrow(value * nn.functional.gelu(gate))

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.time = nn.Sequential(nn.Linear(16, 32), nn.SiLU(), nn.Linear(32, 32))
            self.first, self.down = nn.Conv2d(4, 16, 3, padding=1), nn.Conv2d(16, 16, 3, 2, 1)
            self.before, self.middle, self.after = Residual(16, 16), Residual(16, 32), Residual(48, 16)
            self.itself, self.cross = Attention(32, 32), Attention(32, 24)
            self.norm, self.last = nn.GroupNorm(4, 16), nn.Conv2d(16, 4, 3, padding=1)

        def forward(self, sample, time, text):
            angles = time[:, None].float() * torch.exp(-math.log(10000) * torch.arange(8) / 8)[None]
            time = self.time(torch.cat([angles.sin(), angles.cos()], -1))
            x = kept = self.before(self.first(sample), time)
            x = self.middle(self.down(x), time)
            height, width = x.shape[2:]
            flat = self.cross(self.itself(x.flatten(2).transpose(1, 2)), text)
            x = flat.transpose(1, 2).unflatten(2, (height, width))
            x = self.after(torch.cat([nn.functional.interpolate(x, scale_factor=2.0), kept], 1), time)
            return self.last(nn.functional.silu(self.norm(x)))

    return UNet()


@network("mixer", "vision", {"image": (1, 3, 32, 32)}, ["scores"], exporters=ALL)
def mixer():
    from torch import nn

    class Block(nn.Module):
        def __init__(self, count, c):
            super().__init__()
            self.first, self.second = nn.LayerNorm(c), nn.LayerNorm(c)
            self.places = nn.Sequential(nn.Linear(count, 32), nn.GELU(), nn.Linear(32, count))
            self.channels = nn.Sequential(nn.Linear(c, 32), nn.GELU(approximate="tanh"), nn.Linear(32, c))

        def forward(self, x):
            x = x + self.places(self.first(x).transpose(1, 2)).transpose(1, 2)
            return x + self.channels(self.second(x))

    class Mixer(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches, self.blocks, self.head = nn.Conv2d(3, 24, 8, 8), nn.Sequential(Block(16, 24), Block(16, 24)), nn.Linear(24, 7)

        def forward(self, image):
            return self.head(self.blocks(self.patches(image).flatten(2).transpose(1, 2)).mean(1))

    return Mixer()


@network("point_cloud", "points", {"points": (2, 3, 40)}, ["scores"], {"points": {0: "batch", 2: "count"}})
def point_cloud():
    """A learned 3 x 3 transformation, features of every point, and their maximum."""
    import torch
    from torch import nn

    def features(*sizes):
        return nn.Sequential(*(nn.Sequential(nn.Conv1d(a, b, 1), nn.BatchNorm1d(b), nn.ReLU()) for a, b in zip(sizes, sizes[1:])))

    class Points(nn.Module):
        def __init__(self):
            super().__init__()
            self.turn, self.angle, self.body, self.head = features(3, 16, 32), nn.Linear(32, 9), features(3, 16, 48), nn.Linear(48, 6)

        def forward(self, points):
            turn = self.angle(self.turn(points).max(2)[0]).view(-1, 3, 3) + torch.eye(3)
            points = torch.bmm(points.transpose(2, 1), turn).transpose(2, 1)
            return self.head(self.body(points).amax(2)).log_softmax(-1)

    return Points()


@network("recommender", "table", {"numbers": (4, 5), "kinds": integers(20, 4, 3)}, ["chance"])
def recommender():
    """Embeddings, products of all pairs, and two towers."""
    import torch
    from torch import nn

    class Recommender(nn.Module):
        def __init__(self):
            super().__init__()
            self.tables = nn.ModuleList(nn.Embedding(20, 8) for _ in range(3))
            self.low = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU())
            self.high = nn.Sequential(nn.Linear(8 + 6, 16), nn.ReLU(), nn.Linear(16, 1))

        def forward(self, numbers, kinds):
            dense = self.low(numbers)
            rows = torch.stack([dense, *(table(kinds[:, i]) for i, table in enumerate(self.tables))], 1)
            products = torch.bmm(rows, rows.transpose(1, 2))
            i, j = torch.tril_indices(4, 4, -1)
            return torch.sigmoid(self.high(torch.cat([dense, products[:, i, j]], 1)))[:, 0]

    return Recommender()


@network("causal_waves", "audio", {"audio": (2, 1, 64)}, ["next"], {"audio": {0: "batch", 2: "length"}})
def causal_waves():
    """Gated convolutions that look back only, twice as far in each layer."""
    from torch import nn

    class Waves(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv1d(1, 12, 1)
            self.gates = nn.ModuleList(nn.Conv1d(12, 24, 2, dilation=2**i) for i in range(4))
            self.skips = nn.ModuleList(nn.Conv1d(12, 12, 1) for _ in range(4))
            self.last = nn.Conv1d(12, 5, 1)

        def forward(self, audio):
            x, total = self.first(audio), 0
            for gate, skip in zip(self.gates, self.skips):
                a, b = gate(nn.functional.pad(x, (gate.dilation[0], 0))).chunk(2, 1)
                inner = skip(a.tanh() * b.sigmoid())
                x, total = x + inner, total + inner
            return self.last(total.relu())

    return Waves()


@network("conformer", "audio", {"frames": (2, 17, 24)}, ["states"], {"frames": {0: "batch", 1: "length"}}, exporters=ROUND)
def conformer():
    """Half steps of a feed-forward layer around attention and a gated depthwise convolution."""
    import torch
    from torch import nn

    class Conformer(nn.Module):
        def __init__(self, c=24):
            super().__init__()
            self.before, self.after = (nn.Sequential(nn.LayerNorm(c), nn.Linear(c, 48), nn.SiLU(), nn.Linear(48, c)) for _ in range(2))
            self.norm, self.attention = nn.LayerNorm(c), nn.MultiheadAttention(c, 4, batch_first=True)
            self.inner = nn.LayerNorm(c)
            self.conv = nn.Sequential(
                nn.Conv1d(c, 2 * c, 1), nn.GLU(1), nn.Conv1d(c, c, 7, padding=3, groups=c), nn.BatchNorm1d(c), nn.SiLU(), nn.Conv1d(c, c, 1)
            )
            self.last = nn.LayerNorm(c)

        def forward(self, x):
            x = x + 0.5 * self.before(x)
            y = self.norm(x)
            x = x + self.attention(y, y, y, need_weights=False)[0]
            x = x + self.conv(self.inner(x).transpose(1, 2)).transpose(1, 2)
            return self.last(x + 0.5 * self.after(x))

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([Conformer(), Conformer()])

        def forward(self, frames):
            angles = torch.arange(frames.shape[1])[:, None] * torch.exp(torch.arange(0, 24, 2) * -0.4)
            frames = frames + torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[None]
            for layer in self.layers:
                frames = layer(frames)
            return frames

    return Encoder()


@network("spatial_transformer", "vision", {"image": (2, 1, 28, 28)}, ["scores"], exporters=NEW)
def spatial_transformer():
    from torch import nn

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.where = nn.Sequential(nn.Conv2d(1, 4, 7), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 121, 6), nn.Tanh())
            self.body = nn.Sequential(nn.Conv2d(1, 8, 5), nn.AdaptiveMaxPool2d(4), nn.Flatten(), nn.Dropout(), nn.Linear(128, 10))

        def forward(self, image):
            grid = nn.functional.affine_grid(self.where(image).view(-1, 2, 3), image.shape, align_corners=False)
            return self.body(nn.functional.grid_sample(image, grid, align_corners=False))

    return Transformer()


@network("radiance_field", "points", {"points": (50, 3), "views": (50, 3)}, ["colour", "density"])
def radiance_field():
    import torch
    from torch import nn

    class Field(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(27, 32), nn.Linear(59, 32)
            self.density, self.colour = nn.Linear(32, 1), nn.Sequential(nn.Linear(59, 16), nn.ReLU(), nn.Linear(16, 3), nn.Sigmoid())
            self.register_buffer("scales", 2.0 ** torch.arange(4))

        def waves(self, x):
            angles = (x[..., None] * self.scales).flatten(-2)
            return torch.cat([x, angles.sin(), angles.cos()], -1)

        def forward(self, points, views):
            points, views = self.waves(points), self.waves(nn.functional.normalize(views, dim=-1))
            x = self.second(torch.cat([self.first(points).relu(), points], -1)).relu()
            return self.colour(torch.cat([x, views], -1)), nn.functional.softplus(self.density(x))

    return Field()


@network("translator", "recurrent", {"source": integers(30, 2, 9)}, ["words"])
def translator():
    """An encoder and six steps of a decoder that looks at it and feeds its best word back."""
    import torch
    from torch import nn

    class Translator(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.encoder, self.cell = nn.Embedding(30, 16), nn.GRU(16, 20, batch_first=True), nn.GRUCell(36, 20)
            self.look, self.head = nn.Linear(20, 20), nn.Linear(40, 30)

        def forward(self, source):
            states, last = self.encoder(self.table(source))
            state, word, results = last[0], source[:, 0] * 0 + 1, []
            for _ in range(6):
                weights = (states @ self.look(state)[:, :, None]).softmax(1)
                seen = (weights * states).sum(1)
                state = self.cell(torch.cat([self.table(word), seen], 1), state)
                scores = self.head(torch.cat([state, seen], 1))
                word = scores.argmax(1)
                results.append(scores)
            return torch.stack(results, 1)

    return Translator()


@network("quantized_codes", "vision", {"image": (2, 3, 16, 16)}, ["image_again", "codes"])
def quantized_codes():
    """An autoencoder whose middle is the nearest row of a table."""
    import torch
    from torch import nn

    class Codes(nn.Module):
        def __init__(self):
            super().__init__()
            self.down = nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 4, 2, 1))
            self.table = nn.Embedding(32, 8)
            self.up = nn.Sequential(nn.ConvTranspose2d(8, 8, 4, 2, 1), nn.ELU(), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Sigmoid())

        def forward(self, image):
            x = self.down(image)
            rows = x.permute(0, 2, 3, 1).reshape(-1, 8)
            codes = torch.cdist(rows, self.table.weight).argmin(1)
            best = self.table(codes).view(x.shape[0], x.shape[2], x.shape[3], 8).permute(0, 3, 1, 2)
            return self.up(best), codes.view(x.shape[0], -1)

    return Codes()


@network("spectrogram", "audio", {"audio": (2, 400)}, ["scores"], {"audio": {0: "batch"}}, exporters=NEW)
def spectrogram():
    """A short-time Fourier transform, mel bands, logarithm, convolutions."""
    import torch
    from torch import nn

    class Spectrogram(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("window", torch.hann_window(64))
            self.register_buffer("bands", torch.rand(12, 33))
            self.body = nn.Sequential(nn.Conv1d(12, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(16, 5))

        def forward(self, audio):
            parts = torch.view_as_real(torch.stft(audio, 64, 32, window=self.window, center=True, return_complex=True))
            power = parts.pow(2).sum(-1)
            return self.body((self.bands @ power).clamp(min=1e-5).log())

    return Spectrogram()
