#include "graph/export/layout.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "graph/export/bulk_access.h"
#include "graph/export/metadata.h"
#include "graph/int8_tensors.h"

namespace quantpress::graph {
namespace {

// Constants up to this many elements stay in the model file.
constexpr uint64_t kMaxInlineConstant = 1024;

// Order of an op's vectors, which is also their order behind one `external` offset.
int Rank(BulkField field) {
  switch (field) {
    case BulkField::kWeight: return 0;
    case BulkField::kQuanBuffer: return 1;
    case BulkField::kQuanAlpha: return 2;
    case BulkField::kQuanAlphaFp16: return 3;
    case BulkField::kBias: return 4;
    case BulkField::kQuanIndex: return 5;
    default: return 6;
  }
}

// Vectors of one parameter table: [begin, end) of the sorted list.
using Range = std::vector<BulkVector*>;

Graph& GraphOf(Model* model, const BulkVector& vector) {
  return vector.graph == 0 ? model->main : model->subgraphs[vector.graph - 1];
}

Op& OpOf(Model* model, const BulkVector& vector) { return GraphOf(model, vector).ops[vector.op]; }

uint64_t BytesOf(const Range& vectors, BulkField field) {
  for (const BulkVector* v : vectors) {
    if (v->field == field) return v->bytes;
  }
  return 0;
}

bool Has(const Range& vectors, BulkField field) { return BytesOf(vectors, field) > 0; }

// Lengths that follow the offset in a convolution's `external` field; empty where it must stay inline.
std::vector<uint64_t> ConvolutionLengths(const mnn::Convolution2DT& conv, const Range& vectors) {
  const mnn::IDSTQuanT* quan = conv.quanParameter.get();
  if (Has(vectors, BulkField::kInt8Weight)) return {};
  const uint64_t bias = BytesOf(vectors, BulkField::kBias);
  if (quan == nullptr) {
    if (!Has(vectors, BulkField::kWeight)) return {};
    return {BytesOf(vectors, BulkField::kWeight), bias};
  }
  if (!Has(vectors, BulkField::kQuanBuffer) || Has(vectors, BulkField::kWeight)) return {};
  const uint64_t floats = BytesOf(vectors, BulkField::kQuanAlpha), halves = BytesOf(vectors, BulkField::kQuanAlphaFp16);
  if (floats > 0 && halves > 0) return {};
  // The runtime reads the scales of these back as float32, whatever they are.
  if (halves > 0 && (conv.sparseParameter != nullptr || quan->scaleIn != 0.0f)) return {};
  return {BytesOf(vectors, BulkField::kQuanBuffer), floats + halves, bias, BytesOf(vectors, BulkField::kQuanIndex)};
}

std::vector<uint64_t> BlobLengths(const mnn::BlobT& blob, const Range& vectors) {
  if (vectors.size() != 1 || vectors[0]->bytes / vectors[0]->width <= kMaxInlineConstant) return {};
  switch (blob.dataType) {
    case mnn::DataType::DT_FLOAT:
    case mnn::DataType::DT_INT32:
    case mnn::DataType::DT_INT8:
    case mnn::DataType::DT_UINT8: return {vectors[0]->bytes};
    case mnn::DataType::DT_BFLOAT16:
      return vectors[0]->bytes / 2 > kMaxInlineConstant ? std::vector<uint64_t>{vectors[0]->bytes} : std::vector<uint64_t>{};
    default: return {};
  }
}

// Scale: the bias is optional. LayerNorm: only where both are there.
std::vector<uint64_t> PairLengths(const Range& vectors, bool both) {
  const uint64_t weight = BytesOf(vectors, BulkField::kWeight), bias = BytesOf(vectors, BulkField::kBias);
  if (weight == 0 || (both && bias == 0)) return {};
  return bias == 0 ? std::vector<uint64_t>{weight} : std::vector<uint64_t>{weight, bias};
}

// The runtime reads the vectors of a table one behind the other. Where vectors that hold the same bytes stand like that in the weight file;
// nothing where one of them stands elsewhere.
std::optional<uint64_t> EqualPlace(const std::vector<BulkVector>& all, const Range& vectors) {
  std::optional<uint64_t> place;
  uint64_t end = 0;
  for (const BulkVector* vector : vectors) {
    if (!vector->same_as) return std::nullopt;
    const BulkVector& same = all[*vector->same_as];
    if (!same.external || (place && same.offset != end)) return std::nullopt;
    if (!place) place = same.offset;
    end = same.offset + same.bytes;
  }
  return place;
}

// Moves the vectors of one parameter table to the weight file at `*end`, where the runtime can read them from there.
void Externalize(const Graph& graph, Op* op, const std::vector<BulkVector>& all, const Range& vectors, uint64_t* end) {
  std::vector<uint64_t> lengths;
  std::vector<int64_t>* external = nullptr;
  if (mnn::Convolution2DT* conv = ConvolutionOf(&op->main, vectors[0]->member)) {
    if (conv->quanParameter != nullptr || !IsBetweenInt8(DescribedTensors(graph), *op)) lengths = ConvolutionLengths(*conv, vectors);
    external = &conv->external;
  } else if (mnn::BlobT* blob = op->main.AsBlob()) {
    lengths = BlobLengths(*blob, vectors);
    external = &blob->external;
  } else if (mnn::ScaleT* scale = op->main.AsScale()) {
    lengths = PairLengths(vectors, false);
    external = &scale->external;
  } else if (mnn::LayerNormT* norm = op->main.AsLayerNorm()) {
    lengths = PairLengths(vectors, true);
    external = &norm->external;
  }
  if (lengths.empty()) return;
  const std::optional<uint64_t> equal = EqualPlace(all, vectors);
  uint64_t place = equal.value_or(*end);
  external->assign(1, static_cast<int64_t>(place));
  for (const uint64_t length : lengths) external->push_back(static_cast<int64_t>(length));
  for (BulkVector* vector : vectors) {
    vector->external = true;
    vector->shared = equal.has_value();
    vector->offset = place;
    place += vector->bytes;
  }
  if (!equal) *end = place;
}

std::vector<BulkVector*> Sorted(Lowered* lowered) {
  std::vector<BulkVector*> sorted;
  for (BulkVector& vector : lowered->vectors) sorted.push_back(&vector);
  std::stable_sort(sorted.begin(), sorted.end(), [](const BulkVector* a, const BulkVector* b) {
    return std::tuple(a->graph, a->op, a->member, Rank(a->field)) < std::tuple(b->graph, b->op, b->member, Rank(b->field));
  });
  return sorted;
}

bool SameTable(const BulkVector& a, const BulkVector& b) {
  return a.graph == b.graph && a.op == b.op && a.member == b.member;
}

const mnn::Op& PackedOp(const mnn::Net& net, const BulkVector& vector) {
  const auto* ops = vector.graph == 0 ? net.oplists() : net.subgraphs()->Get(vector.graph - 1)->nodes();
  return *ops->Get(vector.op);
}

// Offsets of the inline vectors behind `metadata_bytes`; returns the end of the file. The length word comes right before the data,
// which is aligned to its elements.
uint64_t PlaceInline(const std::vector<BulkVector>& all, const std::vector<BulkVector*>& vectors, uint64_t metadata_bytes) {
  uint64_t end = metadata_bytes;
  for (BulkVector* vector : vectors) {
    if (vector->external) continue;
    if (vector->same_as && !all[*vector->same_as].external) {
      vector->shared = true;
      vector->offset = all[*vector->same_as].offset;
      continue;
    }
    const uint64_t align = std::max<uint64_t>(vector->width, sizeof(uint32_t));
    vector->offset = (end + sizeof(uint32_t) + align - 1) / align * align;
    end = vector->offset + vector->bytes;
  }
  return end;
}

Status Redirect(const std::vector<BulkVector*>& vectors, std::vector<uint8_t>* metadata) {
  const mnn::Net& net = *mnn::GetNet(metadata->data());
  for (const BulkVector* vector : vectors) {
    if (vector->external) continue;
    uint8_t* const address = OffsetAddress(PackedOp(net, *vector), *vector);
    if (address == nullptr) return InvalidInput("internal error: op {} has no place for its data", vector->op);
    const uint64_t at = static_cast<uint64_t>(address - metadata->data());
    flatbuffers::WriteScalar(address, static_cast<uint32_t>(vector->offset - sizeof(uint32_t) - at));
  }
  return {};
}

}  // namespace

StatusOr<Layout> LayOut(Model* model, Lowered* lowered, bool external) {
  Layout layout;
  const std::vector<BulkVector*> sorted = Sorted(lowered);
  for (BulkVector* vector : sorted) vector->external = vector->shared = false;
  if (external) {
    for (size_t begin = 0, end; begin < sorted.size(); begin = end) {
      for (end = begin + 1; end < sorted.size() && SameTable(*sorted[begin], *sorted[end]);) ++end;
      const Range range(sorted.begin() + static_cast<int64_t>(begin), sorted.begin() + static_cast<int64_t>(end));
      Externalize(GraphOf(model, *sorted[begin]), &OpOf(model, *sorted[begin]), lowered->vectors, range, &layout.external_bytes);
    }
  }
  for (BulkVector* vector : sorted) {
    Op& op = OpOf(model, *vector);
    if (!SetPlaceholder(&op.main, *vector, !vector->external)) {
      return InvalidInput("op '{}' of type {} cannot hold this kind of data", op.name, mnn::EnumNameOpType(op.type));
    }
  }
  layout.metadata = PackMetadata(model);
  layout.model_bytes = PlaceInline(lowered->vectors, sorted, layout.metadata.size());
  for (const BulkVector* vector : sorted) {
    layout.shared_vectors += vector->shared;
    layout.shared_bytes += vector->shared ? vector->bytes : 0;
  }
  if (layout.model_bytes >= kMaxModelBytes) {
    return MakeStatus(absl::StatusCode::kOutOfRange,
                      fmt::format("the model file would have {} bytes; a FlatBuffer has less than 2 GiB", layout.model_bytes));
  }
  QP_RETURN_IF_ERROR(Redirect(sorted, &layout.metadata));
  return layout;
}

}  // namespace quantpress::graph
