"""torchvision: classifiers, segmenters, detectors, video, optical flow."""

from cases import STATIC, TORCH, Example, case


def picture(size, batch=1, channels=3):
    import torch

    return torch.rand(batch, channels, size, size)


def classifier(name, size=64, **arguments):
    @case(f"torchvision/{name}", "classifier", TORCH)
    def make():
        import torchvision

        model = getattr(torchvision.models, name)(weights=None, num_classes=10, **arguments)
        return Example(model, {"image": picture(size)}, ["scores"], {"image": {0: "batch"}})


for _name in (
    "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small",
    "regnet_x_400mf", "regnet_y_400mf", "resnet18", "resnet50", "resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_1",
):  # fmt: skip
    classifier(_name)
classifier("alexnet", 224)
classifier("vgg11_bn", 224)
classifier("googlenet", aux_logits=False, init_weights=False)
classifier("inception_v3", 80, aux_logits=False, init_weights=False)
classifier("swin_t")
classifier("swin_v2_t")
classifier("maxvit_t", 224)


@case("torchvision/vit", "classifier", TORCH)
def vit():
    from torchvision.models import VisionTransformer

    model = VisionTransformer(64, 16, num_layers=2, num_heads=4, hidden_dim=64, mlp_dim=128, num_classes=10)
    return Example(model, {"image": picture(64)}, ["scores"], {"image": {0: "batch"}})


def wrap(model, outputs):
    """The module with the tensors of its dictionary as a tuple."""
    import torch

    class Wrapped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, image):
            result = self.model(image)
            return tuple(result[name] for name in outputs)

    return Wrapped()


def segmenter(name, **arguments):
    @case(f"torchvision/{name}", "segmenter", TORCH)
    def make():
        from torchvision.models import segmentation

        model = getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=5, **arguments)
        return Example(wrap(model, ["out"]), {"image": picture(96)}, ["out"], {"image": {0: "batch", 2: "height", 3: "width"}})


for _name in ("fcn_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"):
    segmenter(_name)


def detector(name, outputs=("boxes", "labels", "scores"), size=160, **arguments):
    # What a detector keeps depends on the numbers: the new exporter refuses that.
    @case(f"torchvision/{name}", "detector", ("torch-old",))
    def make():
        import torch
        from torchvision.models import detection

        model = getattr(detection, name)(weights=None, weights_backbone=None, num_classes=4, **arguments)

        class Wrapped(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self, image):
                result = self.model([image])[0]
                return tuple(result[key] for key in outputs)

        return Example(Wrapped(), {"image": torch.rand(3, size, size)}, list(outputs))


detector("ssdlite320_mobilenet_v3_large", score_thresh=0.3)
detector("ssd300_vgg16", score_thresh=0.3)
detector("fasterrcnn_mobilenet_v3_large_320_fpn", min_size=160, max_size=160)
detector("fasterrcnn_resnet50_fpn", min_size=160, max_size=160)
detector("retinanet_resnet50_fpn", min_size=160, max_size=160, score_thresh=0.3)
detector("fcos_resnet50_fpn", min_size=160, max_size=160, score_thresh=0.1)
detector("maskrcnn_resnet50_fpn", ("boxes", "labels", "scores", "masks"), min_size=160, max_size=160)
detector("keypointrcnn_resnet50_fpn", ("boxes", "labels", "scores", "keypoints"), min_size=160, max_size=160)


def video(name):
    @case(f"torchvision/{name}", "video", TORCH)
    def make():
        import torch
        from torchvision.models import video as models

        model = getattr(models, name)(weights=None, num_classes=10)
        return Example(model, {"clip": torch.rand(1, 3, 8, 32, 32)}, ["scores"], {"clip": {0: "batch"}})


for _name in ("r3d_18", "mc3_18", "r2plus1d_18"):
    video(_name)


@case("torchvision/s3d", "video", STATIC)
def s3d():
    import torch
    from torchvision.models.video import s3d as model

    return Example(model(weights=None, num_classes=10), {"clip": torch.rand(1, 3, 14, 224, 224)}, ["scores"])


@case("torchvision/raft_small", "optical flow", STATIC)
def raft_small():
    import torch
    from torchvision.models.optical_flow import raft_small as build

    model = build(weights=None)

    class Flow(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, first, second):
            return self.model(first, second, num_flow_updates=2)[-1]

    return Example(Flow(), {"first": picture(128), "second": picture(128)}, ["flow"])
