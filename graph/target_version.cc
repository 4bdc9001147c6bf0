#include "graph/target_version.h"

#include <charconv>
#include <map>

#include "graph/build/params.h"

namespace quantpress::graph {
namespace {

using dispatch::Storage;
using mnn::OpType;
using U = mnn::UnaryOpOperation;

// Something that a model needs, and what a user can do without it.
struct Need {
  TargetVersion since;
  std::string what;
  std::string_view remedy = {};
};

class Needs {
 public:
  explicit Needs(const TargetVersion& target) : target_(target) {}

  void Add(const Need& need, std::string_view name) {
    if (need.since <= target_) return;
    Found& found = found_[{need.since, need.what}];
    if (found.count++ == 0) found = {1, std::string(name), need.remedy};
  }

  Status Result() const {
    if (found_.empty()) return {};
    std::string text;
    for (const auto& [key, found] : found_) {
      text += fmt::format("\n  {} ({} time{}, first '{}') came with {}", key.second, found.count,
                          found.count == 1 ? "" : "s", found.first, TargetText(key.first));
      if (!found.remedy.empty()) text += fmt::format("; {}", found.remedy);
    }
    return Unsupported(
        "--targetVersion {}: a runtime of that version cannot run this model:{}\ngive a newer --targetVersion or "
        "leave it out",
        TargetText(target_), text);
  }

 private:
  struct Found {
    size_t count = 0;
    std::string first;
    std::string_view remedy;
  };
  TargetVersion target_;
  std::map<std::pair<TargetVersion, std::string>, Found> found_;
};

// Operators that runtimes from 3.0 on did not always know, and older ones of which the stock converter says so.
std::optional<TargetVersion> SinceOf(const Op& op) {
  switch (op.type) {
    case OpType::ScatterNd:
      return op.inputs.size() > 3 ? std::optional(TargetVersion{2, 0, 0}) : std::nullopt;
    case OpType::Stft:
      return TargetVersion{3, 1, 0};
    case OpType::MoE:
      return TargetVersion{3, 2, 0};
    case OpType::Attention:
      return kAttentionVersion;
    case OpType::LinearAttention:
      return TargetVersion{3, 5, 0};
    case OpType::RoPE:
    case OpType::FusedLinear:
    case OpType::GatedRMSNorm:
      return TargetVersion{3, 6, 1};
    case OpType::UnaryOp: {
      const auto* unary = op.main.AsUnaryOp();
      if (unary != nullptr && unary->opType == U::SILU) return kSiluVersion;
      if (unary != nullptr && unary->opType == U::HARDSWISH) return kHardSwishVersion;
      return std::nullopt;
    }
    case OpType::BinaryOp: {
      const auto* binary = op.main.AsBinaryOp();
      return binary != nullptr && binary->opType == mnn::BinaryOpOperation::MUL_SILU
                 ? std::optional(TargetVersion{3, 6, 1})
                 : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

std::string NameOf(const Op& op) {
  if (const auto* unary = op.main.AsUnaryOp())
    return fmt::format("operator UnaryOp {}", mnn::EnumNameUnaryOpOperation(unary->opType));
  if (const auto* binary = op.main.AsBinaryOp())
    return fmt::format("operator BinaryOp {}", mnn::EnumNameBinaryOpOperation(binary->opType));
  if (op.type == OpType::ScatterNd) return "operator ScatterNd onto a tensor";
  return fmt::format("operator {}", mnn::EnumNameOpType(op.type));
}

// What layers that keep the codes of an MNN source and layers that are coded anew have in common.
struct Coding {
  bool half_scales = false, asymmetric = false, wide = false, listed = false, external = false;
  bool blocks = false;          // more than one scale per output channel
  bool large_kernel = false;    // larger than 1x1
  bool positive_minimum = false;  // aMin > 0
};

void AddCoding(const Coding& coding, std::string_view layer, bool kept, Needs* needs) {
  const auto add = [&](TargetVersion since, std::string_view what, std::string_view remedy) {
    needs->Add({since, std::string(what), kept ? "--requantize with --weightQuantBits codes them again" : remedy}, layer);
  };
  if (coding.half_scales) add({3, 6, 0}, "half scales", "use --weightQuantScaleBit 32");
  if (coding.blocks && coding.large_kernel) {
    add({3, 1, 3}, "blocks in kernels larger than 1x1, which older ones get wrong in low-memory mode", "leave out --weightQuantBlock");
  } else if (coding.blocks) {
    add({2, 9, 2}, "blocks, which older ones get wrong in low-memory mode", "leave out --weightQuantBlock");
  }
  if (coding.positive_minimum) add({3, 0, 0}, "minima that are values of code 0", "");
  if (coding.asymmetric) add({1, 1, 5}, "asymmetric codes", "use --weightQuantAsymmetric=0 without --hqq");
  if (coding.wide) add({2, 5, 1}, "quantized layers with more than 65535 groups or weights in one", "choose another --weightQuantBlock");
  if (coding.listed) add({2, 5, 1}, "lists of weights that are not zero", "leave out --detectSparseSpeedUp");
  if (coding.external) needs->Add({{2, 7, 1}, "quantized weights in an external file", "leave out --saveExternalData"}, layer);
}

Coding CodingOf(const dispatch::WeightPlan& weight, bool external) {
  Coding coding;
  coding.listed = weight.sparse.listed;
  coding.external = external && weight.storage != Storage::kFloat32;
  if (!dispatch::IsCoded(weight.storage)) return coding;
  coding.half_scales = weight.coding.half_scales;
  coding.asymmetric = dispatch::IsAsymmetric(weight.coding.method);
  coding.wide = dispatch::HasWideHeader(weight.groups, weight.group_size);
  coding.blocks = weight.block > 0;
  coding.large_kernel = weight.geometry.kernel_size > 1;
  return coding;
}

Coding CodingOf(const Op& op, const mnn::IDSTQuanT& quan, const mnn::Convolution2DCommonT* common, bool external) {
  Coding coding;
  coding.half_scales = quan.scaleStorage == mnn::ScaleStorageType::FP16;
  coding.asymmetric = quan.readType != 0;
  coding.wide = quan.shapeInt32;
  coding.listed = op.FindBulk(BulkField::kQuanIndex) != nullptr;
  coding.external = external;
  coding.positive_minimum = quan.aMin > 0;
  const Bulk* scales = op.FindBulk(coding.half_scales ? BulkField::kQuanAlphaFp16 : BulkField::kQuanAlpha);
  const Bytes* bytes = scales != nullptr ? std::get_if<Bytes>(&scales->data) : nullptr;
  if (common == nullptr || bytes == nullptr || coding.listed) return coding;
  const uint64_t entry = (coding.half_scales ? 2 : 4) * (coding.asymmetric ? 2 : 1);
  coding.blocks = common->outputCount > 0 && bytes->size / entry > static_cast<uint64_t>(common->outputCount);
  coding.large_kernel = common->kernelX > 1 || common->kernelY > 1;
  return coding;
}

}  // namespace

StatusOr<TargetVersion> ParseTargetVersion(std::string_view text) {
  std::string_view rest = text;
  if (rest.ends_with('f') || rest.ends_with('F')) rest.remove_suffix(1);
  int parts[3] = {0, 0, 0};
  size_t count = 0;
  for (bool more = true; more && count < 3; ++count) {
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), parts[count]);
    if (error != std::errc() || parts[count] < 0 || parts[count] > 999) break;
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    more = !rest.empty() && rest.front() == '.';
    if (more)
      rest.remove_prefix(1);
    else if (rest.empty())
      return TargetVersion{parts[0], parts[1], parts[2]};
  }
  return InvalidInput("--targetVersion: \"{}\"; expected a version of the runtime like 3.0 or 2.8.1", text);
}

std::string TargetText(const TargetVersion& version) {
  return fmt::format("{}.{}.{}", version.major, version.minor, version.patch);
}

Status CheckTarget(const TargetVersion& target, const Model& model, const dispatch::Plan& plan, bool external) {
  Needs needs(target);
  size_t next = 0;
  const auto check = [&](const Graph& graph) {
    for (const Op& op : graph.ops) {
      if (const auto since = SinceOf(op)) needs.Add({*since, NameOf(op)}, op.name);
      const bool planned = next < plan.weights.size() && plan.weights[next].layer == op.name &&
                           plan.weights[next].subgraph == graph.name;
      const dispatch::WeightPlan* weight = planned ? &plan.weights[next++] : nullptr;
      const mnn::BlobT* blob = op.main.AsBlob();
      const bool half = blob != nullptr && ((weight != nullptr && weight->storage == Storage::kHalf) ||
                                            blob->dataType == mnn::DataType::DT_HALF);
      if (half) needs.Add({{1, 2, 2}, "constants of half floats"}, op.name);
      const mnn::Convolution2DT* conv = op.main.AsConvolution2D();
      if (conv == nullptr) continue;
      if (weight != nullptr && weight->storage != Storage::kAsIs) {
        AddCoding(CodingOf(*weight, external), op.name, false, &needs);
      } else if (conv->quanParameter != nullptr) {
        AddCoding(CodingOf(op, *conv->quanParameter, conv->common.get(), external), op.name, true, &needs);
      }
    }
  };
  check(model.main);
  for (const Graph& graph : model.subgraphs) check(graph);
  if (external) needs.Add({{2, 3, 0}, "an external weight file", "leave out --saveExternalData"}, "--saveExternalData");
  return needs.Result();
}

}  // namespace quantpress::graph
