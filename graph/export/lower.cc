#include "graph/export/lower.h"

#include <optional>

#include "graph/export/int8_layer.h"
#include "graph/import/mnn/coded_weight.h"
#include "graph/weights.h"

namespace quantpress::graph {
namespace {

using dispatch::Storage;
using dispatch::WeightPlan;

uint32_t WidthOf(BulkField field) {
  switch (field) {
    case BulkField::kQuanBuffer:
    case BulkField::kBlobInt8s:
    case BulkField::kBlobUint8s:
    case BulkField::kInt8Weight: return 1;
    case BulkField::kQuanAlphaFp16: return 2;
    case BulkField::kBlobInt64s: return 8;
    default: return 4;
  }
}

// Lowers the ops of a model one after another.
class Lowering {
 public:
  Lowering(const dispatch::Plan& plan, Lowered* out) : plan_(plan), out_(*out) {}

  Status Run(Graph* graph, uint32_t graph_index) {
    for (size_t i = 0; i < graph->ops.size(); ++i) {
      graph_ = graph_index;
      op_index_ = static_cast<uint32_t>(i);
      Op& op = graph->ops[i];
      op.external_path.clear();
      QP_RETURN_IF_ERROR(LowerOp(graph, &op));
      op.bulk.clear();
    }
    return {};
  }

  Status Finish() const {
    if (next_ == plan_.weights.size()) return {};
    return InvalidInput("the plan has {} weights, the model {}: it belongs to another model", plan_.weights.size(), next_);
  }

 private:
  size_t AddVector(const Op& op, BulkField field, uint32_t member, uint64_t elements) {
    BulkVector v;
    v.field = field;
    v.member = member;
    v.graph = graph_;
    v.op = op_index_;
    v.width = WidthOf(field);
    v.bytes = elements * v.width;
    out_.vectors.push_back(v);
    layer_ = op.name;
    return out_.vectors.size() - 1;
  }

  template <typename Work>
  void AddJob(size_t vector, Work work) {
    out_.jobs.push_back({vector, layer_, std::move(work)});
  }

  // Vectors that importers leave in the table become bulk, so that they can go to the external file.
  static void Adopt(Op* op, BulkField field, std::vector<float>* values) {
    if (values->empty() || op->FindBulk(field) != nullptr) return;
    op->bulk.push_back({field, Bytes::Own(std::move(*values)), 0, false});
    values->clear();
  }

  static void AdoptTables(Op* op) {
    if (mnn::Convolution2DT* conv = op->main.AsConvolution2D()) Adopt(op, BulkField::kBias, &conv->bias);
    if (mnn::ScaleT* scale = op->main.AsScale()) {
      Adopt(op, BulkField::kWeight, &scale->scaleData);
      Adopt(op, BulkField::kBias, &scale->biasData);
    }
    if (mnn::LayerNormT* norm = op->main.AsLayerNorm()) {
      Adopt(op, BulkField::kWeight, &norm->gamma);
      Adopt(op, BulkField::kBias, &norm->beta);
    }
  }

  Status LowerOp(Graph* graph, Op* op) {
    AdoptTables(op);
    const std::optional<WeightView> view = ViewWeight(*op);
    if (!view.has_value()) return CopyAll(*op);
    if (next_ >= plan_.weights.size() || plan_.weights[next_].layer != op->name ||
        plan_.weights[next_].subgraph != graph->name) {
      return InvalidInput("the plan has no entry for layer '{}': it belongs to another model", op->name);
    }
    const size_t plan_index = next_++;
    const WeightPlan& plan = plan_.weights[plan_index];
    if (plan.storage == Storage::kAsIs) return CopyAll(*op);
    if (view->form == WeightForm::kConstant) return LowerConstant(*view, plan, plan_index, op);
    if (view->form == WeightForm::kFullyConnected || view->form == WeightForm::kInt8Model) return CopyAll(*op);
    QP_RETURN_IF_ERROR(LowerConvolution(*view, plan_index, op));
    if (plan.storage == Storage::kInt8) ComputeWithInt8(*plan.int8, op, graph);
    return {};
  }

  // Every bulk vector as it is; float weights pass the policies.
  Status CopyAll(const Op& op) {
    for (const Bulk& bulk : op.bulk) {
      if (const auto* bytes = std::get_if<Bytes>(&bulk.data)) {
        if (bytes->empty()) continue;
        const uint32_t width = WidthOf(bulk.field);
        if (bytes->size % width != 0) {
          return InvalidInput("op '{}': {} bytes in a vector of {}-byte elements", op.name, bytes->size, width);
        }
        AddJob(AddVector(op, bulk.field, bulk.member, bytes->size / width), CopyJob{*bytes});
      } else {
        CopyNumbers(op, bulk, std::get<TensorSourcePtr>(bulk.data));
      }
    }
    return {};
  }

  void CopyNumbers(const Op& op, const Bulk& bulk, const TensorSourcePtr& source) {
    if (source->count() == 0) return;
    const size_t vector = AddVector(op, bulk.field, bulk.member, source->count());
    switch (bulk.field) {
      case BulkField::kBlobInt32s:
      case BulkField::kBlobInt8s:
      case BulkField::kBlobInt64s:
      case BulkField::kQuanBuffer:
      case BulkField::kInt8Weight: return AddJob(vector, IntJob{source, false});
      case BulkField::kBlobUint8s:
      case BulkField::kQuanAlphaFp16:
      case BulkField::kQuanIndex: return AddJob(vector, IntJob{source, true});
      case BulkField::kWeight: return AddJob(vector, FloatJob{source, true});
      default: return AddJob(vector, FloatJob{source, false});
    }
  }

  Status LowerConstant(const WeightView& view, const WeightPlan& plan, size_t plan_index, Op* op) {
    if (plan.storage != Storage::kHalf) return CopyAll(*op);
    op->main.AsBlob()->dataType = mnn::DataType::DT_HALF;
    AddJob(AddVector(*op, BulkField::kBlobUint8s, 0, view.elements * 2), HalfJob{view.source, false, plan_index});
    return {};
  }

  Status LowerConvolution(const WeightView& view, size_t plan_index, Op* op) {
    const WeightPlan& plan = plan_.weights[plan_index];
    mnn::Convolution2DT& conv = *op->main.AsConvolution2D();
    TensorSourcePtr source = view.source;
    if (source == nullptr) {
      QP_ASSIGN_OR_RETURN(source, DecodeWeight(*op));
    }
    if (source->count() != plan.geometry.elements()) {
      return InvalidInput("layer '{}' has {} weights, its plan {}", op->name, source->count(), plan.geometry.elements());
    }
    conv.quanParameter.reset();
    if (plan.sparse.block > 0) {
      conv.sparseParameter = MarkOf(plan.sparse);
    } else if (view.form != WeightForm::kFloat || plan.storage != Storage::kFloat32) {
      conv.sparseParameter.reset();
    }
    switch (plan.storage) {
      case Storage::kFloat32:
        if (plan.sparse.listed) {
          AddListedFloats(source, plan_index, op, &conv);
          break;
        }
        AddJob(AddVector(*op, BulkField::kWeight, 0, source->count()),
               FloatJob{source, true, plan_index});
        break;
      case Storage::kHalf:
        conv.quanParameter = std::make_unique<mnn::IDSTQuanT>();
        conv.quanParameter->type = 3;
        conv.quanParameter->quantScale = 1.0f;
        AddJob(AddVector(*op, BulkField::kQuanBuffer, 0, source->count() * 2), HalfJob{source, true, plan_index});
        break;
      case Storage::kQuantized:
      case Storage::kInt8:
        AddQuantized(source, plan_index, op, &conv);
        break;
      case Storage::kAsIs: break;
    }
    return AddBias(*op, conv);
  }

  void AddQuantized(const TensorSourcePtr& source, size_t plan_index, Op* op, mnn::Convolution2DT* conv) {
    const WeightPlan& plan = plan_.weights[plan_index];
    const bool asymmetric = dispatch::IsAsymmetric(plan.coding.method);
    conv->quanParameter = std::make_unique<mnn::IDSTQuanT>();
    mnn::IDSTQuanT& quan = *conv->quanParameter;
    quan.type = 1;
    quan.quantScale = 1.0f;
    quan.aMaxOrBits = plan.coding.bits;
    quan.aMin = asymmetric ? kernels::CodeMin(plan.coding.bits) : 0;
    quan.readType = asymmetric ? static_cast<int>(plan.groups) : 0;
    quan.shapeInt32 = dispatch::HasWideHeader(plan.groups, plan.group_size);
    if (plan.sparse.listed) quan.type = 2;
    const uint64_t payload = plan.sparse.listed
                                 ? dispatch::ListedBytes(plan.groups, plan.group_size, plan.coding.bits, plan.sparse.entries, plan.sparse.step_bits)
                                 : dispatch::DenseBytes(plan.groups, plan.group_size, plan.coding.bits);
    const size_t vector = AddVector(*op, BulkField::kQuanBuffer, 0, payload);
    if (plan.coding.half_scales) quan.scaleStorage = mnn::ScaleStorageType::FP16;
    const size_t alpha =
        AddVector(*op, plan.coding.half_scales ? BulkField::kQuanAlphaFp16 : BulkField::kQuanAlpha, 0,
                  dispatch::AlphaCount(plan.coding.method, plan.groups));
    if (plan.sparse.listed) return AddJob(vector, ListCodesJob{source, plan_index, alpha});
    AddJob(vector, QuantizeJob{source, plan_index, alpha});
  }

  void AddListedFloats(const TensorSourcePtr& source, size_t plan_index, Op* op, mnn::Convolution2DT* conv) {
    const WeightPlan& plan = plan_.weights[plan_index];
    conv->quanParameter = std::make_unique<mnn::IDSTQuanT>();
    conv->quanParameter->weightSize = static_cast<uint32_t>(source->count());
    const size_t values = AddVector(*op, BulkField::kQuanAlpha, 0, plan.sparse.entries);
    const size_t index = AddVector(*op, BulkField::kQuanIndex, 0, plan.sparse.entries);
    AddJob(values, ListFloatsJob{source, plan_index, index});
  }

  // What the runtime's sparse kernels want to know, by name.
  static std::unique_ptr<mnn::SparseCommonT> MarkOf(const dispatch::SparseLayer& sparse) {
    auto mark = std::make_unique<mnn::SparseCommonT>();
    mark->method = sparse.by_blocks ? mnn::SparseAlgo::SIMD_OC : mnn::SparseAlgo::RANDOM;
    const auto add = [&](const char* key, uint64_t value) {
      mark->args.push_back(std::make_unique<mnn::AttributeT>());
      mark->args.back()->key = key;
      mark->args.back()->i = static_cast<int32_t>(value);
    };
    add("NNZElement", sparse.counts.covered);
    add("blockNumber", sparse.counts.blocks);
    add("sparseBlockKernel", 1);
    add("sparseBlockOC", sparse.block);
    return mark;
  }

  // The runtime takes the number of outputs from the bias: it must be there.
  Status AddBias(const Op& op, const mnn::Convolution2DT& conv) {
    const auto outputs = static_cast<uint64_t>(conv.common->outputCount);
    const Bulk* bias = op.FindBulk(BulkField::kBias);
    if (bias == nullptr) {
      AddJob(AddVector(op, BulkField::kBias, 0, outputs), ZeroJob{});
      return {};
    }
    const auto* source = std::get_if<TensorSourcePtr>(&bias->data);
    if (source == nullptr) {
      const auto& bytes = std::get<Bytes>(bias->data);
      AddJob(AddVector(op, BulkField::kBias, 0, bytes.size / sizeof(float)), CopyJob{bytes});
    } else {
      CopyNumbers(op, *bias, *source);
    }
    return {};
  }

  const dispatch::Plan& plan_;
  Lowered& out_;
  size_t next_ = 0;  // plan entry
  uint32_t graph_ = 0, op_index_ = 0;
  std::string layer_;
};

}  // namespace

StatusOr<Lowered> LowerModel(Model* model, const dispatch::Plan& plan) {
  Lowered lowered;
  Lowering lowering(plan, &lowered);
  QP_RETURN_IF_ERROR(lowering.Run(&model->main, 0));
  for (size_t i = 0; i < model->subgraphs.size(); ++i) {
    QP_RETURN_IF_ERROR(lowering.Run(&model->subgraphs[i], static_cast<uint32_t>(i + 1)));
  }
  QP_RETURN_IF_ERROR(lowering.Finish());
  return lowered;
}

}  // namespace quantpress::graph
