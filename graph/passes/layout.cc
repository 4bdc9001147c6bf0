// Decides for every tensor whether it is plain (NCHW) or packed (NC4HW4) and puts ConvertTensor ops where a user wants
// the other one.
//
// Convolutions, pooling and their like work on packed data. The runtime would convert before and after each of them by
// itself; saying it once keeps whole chains packed. For Scale, PReLU and GridSample it is not optional: they read plain data as if it
// were packed.
#include "graph/build/params.h"
#include "graph/passes/passes.h"

namespace quantpress::graph {
namespace {

using mnn::MNN_DATA_FORMAT;
using mnn::OpType;

enum class Rule {
  kPlain,   // every input and output plain
  kPacked,  // input 0 and output 0 packed, other inputs plain
  kFollow,  // output like input 0, other inputs plain
  kVote,    // packed if all data inputs are
};

Rule RuleOf(OpType type) {
  switch (type) {
    case OpType::Convolution:
    case OpType::ConvolutionDepthwise:
    case OpType::Convolution3D:
    case OpType::ConvTranspose3D:
    case OpType::Deconvolution:
    case OpType::DeconvolutionDepthwise:
    case OpType::ConvInt8:
    case OpType::DepthwiseConvInt8:
    case OpType::Pooling:
    case OpType::Pooling3D:
    case OpType::Interp:
    case OpType::Interp3D:
    case OpType::Resize:
    case OpType::GridSample:
    case OpType::ROIPooling:
    case OpType::ROIAlign:
    case OpType::PReLU:
    case OpType::Scale:
    case OpType::BatchNorm:
    case OpType::InstanceNorm:
    case OpType::LRN:
    case OpType::Moments:
    case OpType::Dilation2D:
    case OpType::SpatialProduct:
    case OpType::Int8ToFloat:
    case OpType::FloatToInt8:
      return Rule::kPacked;
    case OpType::ReLU:
    case OpType::ReLU6:
    case OpType::ELU:
    case OpType::Selu:
    case OpType::UnaryOp:
    case OpType::Dropout:
    case OpType::Padding:
      return Rule::kFollow;
    case OpType::BinaryOp:
    case OpType::Concat:
    case OpType::Slice:
    case OpType::Eltwise:
      return Rule::kVote;
    default:
      return Rule::kPlain;
  }
}

class LayoutAssigner {
 public:
  LayoutAssigner(Graph& graph, bool keep_plain)
      : graph_(graph), keep_plain_(keep_plain), packed_(graph.tensors.size(), false), other_(graph.tensors.size(), -1) {}

  void Run() {
    std::vector<Op> ops = std::move(graph_.ops);
    graph_.ops.clear();
    for (const Op& op : ops) {
      if (op.type != OpType::Const || op.main.type != mnn::OpParameter::Blob) continue;
      const auto* blob = TableOf<mnn::BlobT>(op.main);
      int64_t count = 1;
      for (int32_t d : blob->dims) count *= d;
      constants_.resize(graph_.tensors.size(), 0);
      constants_[static_cast<size_t>(op.outputs[0])] = count == 1 ? 2 : 1;
    }
    constants_.resize(graph_.tensors.size(), 0);
    if (!keep_plain_) PackInputs(&ops);
    for (Op& op : ops) Place(std::move(op));
    if (keep_plain_) RestoreOutputs();
  }

 private:
  bool IsPacked(int t) const { return packed_[static_cast<size_t>(t)]; }

  size_t RankOf(int t) const {
    const auto i = static_cast<size_t>(t);
    return i < graph_.shapes.size() && graph_.shapes[i] ? graph_.shapes[i]->size() : 0;
  }

  // Images that a packed op reads, perhaps behind ops that work in both layouts, are taken packed.
  void PackInputs(std::vector<Op>* ops) {
    std::vector<bool> wanted(graph_.tensors.size(), false);
    for (auto op = ops->rbegin(); op != ops->rend(); ++op) {
      const Rule rule = RuleOf(op->type);
      const bool out = !op->outputs.empty() && wanted[static_cast<size_t>(op->outputs[0])];
      for (size_t i = 0; i < op->inputs.size(); ++i) {
        const bool reads = rule == Rule::kVote ? out : i == 0 && (rule == Rule::kPacked || (rule == Rule::kFollow && out));
        if (reads && op->inputs[i] >= 0) wanted[static_cast<size_t>(op->inputs[i])] = true;
      }
      mnn::InputT* input = op->type == OpType::Input ? op->main.AsInput() : nullptr;
      if (input == nullptr || !out || input->dtype != mnn::DataType::DT_FLOAT || RankOf(op->outputs[0]) != 4) continue;
      input->dformat = MNN_DATA_FORMAT::NC4HW4;
      packed_[static_cast<size_t>(op->outputs[0])] = true;
    }
  }

  bool Votes(const Op& op) const {
    bool any = false;
    for (int t : op.inputs) {
      const char constant = constants_[static_cast<size_t>(t)];
      if (op.type == OpType::BinaryOp && constant == 2) continue;  // a single number has no layout
      if (constant != 0 || !IsPacked(t) || RankOf(t) != 4) return false;
      any = true;
    }
    return any;
  }

  void Place(Op op) {
    const Rule rule = RuleOf(op.type);
    bool packed = rule == Rule::kPacked;
    if (rule == Rule::kFollow) packed = !op.inputs.empty() && IsPacked(op.inputs[0]);
    if (rule == Rule::kVote) packed = Votes(op);
    for (size_t i = 0; i < op.inputs.size(); ++i) {
      const int t = op.inputs[i];
      if (t < 0 || op.type == OpType::Shape || op.type == OpType::Rank || op.type == OpType::Size) continue;
      const bool want = rule == Rule::kVote ? packed : packed && i == 0;
      if (rule == Rule::kVote && constants_[static_cast<size_t>(t)] != 0) continue;
      if (want != IsPacked(t)) op.inputs[i] = Other(t, op.name);
    }
    for (size_t i = 0; i < op.outputs.size() && op.type != OpType::Input; ++i) {
      packed_[static_cast<size_t>(op.outputs[i])] = packed && (i == 0 || rule == Rule::kVote);
    }
    graph_.ops.push_back(std::move(op));
  }

  int AddTensor(std::string name, int like, bool packed) {
    graph_.tensors.push_back(std::move(name));
    graph_.shapes.resize(graph_.tensors.size());
    if (static_cast<size_t>(like) < graph_.shapes.size()) graph_.shapes.back() = graph_.shapes[static_cast<size_t>(like)];
    packed_.push_back(packed);
    other_.push_back(like);
    constants_.push_back(0);
    return static_cast<int>(graph_.tensors.size() - 1);
  }

  void AppendConvert(int from, int to) {
    mnn::TensorConvertInfoT info;
    info.source = IsPacked(from) ? MNN_DATA_FORMAT::NC4HW4 : MNN_DATA_FORMAT::NCHW;
    info.dest = IsPacked(to) ? MNN_DATA_FORMAT::NC4HW4 : MNN_DATA_FORMAT::NCHW;
    Op op;
    op.type = OpType::ConvertTensor;
    op.name = graph_.tensors[static_cast<size_t>(to)];
    op.inputs = {from};
    op.outputs = {to};
    op.main = Param(info);
    graph_.ops.push_back(std::move(op));
  }

  // Tensor t in the other layout; made once.
  int Other(int t, const std::string& user) {
    if (const int made = other_[static_cast<size_t>(t)]; made >= 0) return made;
    const int copy = AddTensor(graph_.tensors[static_cast<size_t>(t)] + "___tr4" + user, t, !IsPacked(t));
    AppendConvert(t, copy);
    other_[static_cast<size_t>(t)] = copy;
    return copy;
  }

  // Graph outputs are plain and keep their names: what was packed becomes a tensor of its own, and the output its plain copy.
  // All are renamed in one walk over the ops.
  void RestoreOutputs() {
    std::vector<int> inner(graph_.tensors.size(), -1);
    std::vector<int> packed_outputs;
    for (int t : graph_.outputs) {
      int& copy = inner[static_cast<size_t>(t)];
      if (copy >= 0 || !IsPacked(t)) continue;
      copy = AddTensor(graph_.tensors[static_cast<size_t>(t)] + "__before_tr", t, true);
      packed_outputs.push_back(t);
    }
    if (packed_outputs.empty()) return;
    for (Op& op : graph_.ops) {
      for (auto* list : {&op.inputs, &op.outputs}) {
        for (int& t : *list) {
          if (t >= 0 && static_cast<size_t>(t) < inner.size() && inner[static_cast<size_t>(t)] >= 0) t = inner[static_cast<size_t>(t)];
        }
      }
    }
    for (int t : packed_outputs) {
      packed_[static_cast<size_t>(t)] = false;
      AppendConvert(inner[static_cast<size_t>(t)], t);
    }
  }

  Graph& graph_;
  const bool keep_plain_;         // inputs and outputs of the graph stay as the source has them
  std::vector<bool> packed_;
  std::vector<int> other_;        // the same tensor in the other layout
  std::vector<char> constants_;   // 1: made by a Const; 2: a single number
};

}  // namespace

Status AssignLayouts(Graph& graph, const ImportOptions& options) {
  const bool subgraph = !graph.name.empty();  // its inputs and outputs are tensors of the graph around it
  LayoutAssigner(graph, options.keep_input_format || subgraph).Run();
  return absl::OkStatus();
}

}  // namespace quantpress::graph
