// The one in-memory form of a model, in MNN's vocabulary. Importers build it, passes rewrite it, the exporter writes it.
#ifndef QUANTPRESS_GRAPH_IR_MODEL_H_
#define QUANTPRESS_GRAPH_IR_MODEL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "graph/ir/bytes.h"
#include "graph/ir/tensor_source.h"
#include "graph/schema/mnn_generated.h"

namespace quantpress::graph {

// A vector of an op's parameter table that is too big to live in it. The table's own vector stays empty; the exporter
// writes the data straight to its place in the file.
enum class BulkField : uint8_t {
  kWeight,         // weight of Convolution2D, Convolution3D, InnerProduct; Scale.scaleData; LayerNorm.gamma   float32
  kBias,           // bias of Convolution2D, Convolution3D, InnerProduct; Scale.biasData; LayerNorm.beta       float32
  kQuanBuffer,     // Convolution2D.quanParameter.buffer                bytes
  kQuanAlpha,      // Convolution2D.quanParameter.alpha                 float32
  kQuanAlphaFp16,  // Convolution2D.quanParameter.alphaFp16             uint16
  kQuanIndex,      // Convolution2D.quanParameter.index                 uint32
  kBlobFloat32s,   // Blob.float32s
  kBlobInt32s,     // Blob.int32s
  kBlobInt8s,      // Blob.int8s
  kBlobUint8s,     // Blob.uint8s (also half and bfloat16 data)
  kBlobInt64s,     // Blob.int64s
  kInt8Weight,     // Convolution2D.symmetricQuan.weight                bytes (models with int8 activations)
};

// Bytes to copy as they are, or float32 elements to be computed (and perhaps quantized).
struct Bulk {
  BulkField field;
  std::variant<Bytes, TensorSourcePtr> data;
  uint32_t member = 0;    // FusedLinear: which of its convolutions
  bool external = false;  // found in the source's external weight file (for reports)
};

// One operator. Parameter tables are the generated object types of graph/schema/mnn.fbs.
struct Op {
  std::string name;
  mnn::OpType type = mnn::OpType::AbsVal;
  mnn::OpParameterUnion main;
  std::vector<int> inputs;   // tensor indexes; -1: an optional input that is absent
  std::vector<int> outputs;  // tensor indexes
  mnn::MNN_DATA_FORMAT default_format = mnn::MNN_DATA_FORMAT::NHWC;
  std::string external_path;
  std::vector<Bulk> bulk;

  Bulk* FindBulk(BulkField field) {
    for (Bulk& b : bulk) {
      if (b.field == field) return &b;
    }
    return nullptr;
  }
  const Bulk* FindBulk(BulkField field) const { return const_cast<Op*>(this)->FindBulk(field); }
};

// Ops in execution order over a table of named tensors.
struct Graph {
  std::string name;                   // empty for the main graph
  std::vector<std::string> tensors;   // unique names
  std::vector<Op> ops;
  std::vector<int> inputs;            // subgraphs only: tensor indexes
  std::vector<int> outputs;           // subgraphs: tensor indexes; main graph: resolved from output_names where possible
  // Shapes as far as an importer knows them, by tensor index: a negative entry is a size that only a run knows. May be
  // shorter than `tensors`; passes that add tensors need not fill it.
  std::vector<std::optional<std::vector<int64_t>>> shapes;
  std::vector<std::unique_ptr<mnn::TensorDescribeT>> tensor_describes;  // extraTensorDescribe, kept as found
};

struct Model {
  Graph main;
  std::vector<Graph> subgraphs;
  std::vector<std::string> output_names;  // Net.outputName; empty where the source has none

  mnn::NetSource source = mnn::NetSource::ONNX;
  mnn::Usage usage = mnn::Usage::INFERENCE;
  mnn::ForwardType prefer_forward_type = mnn::ForwardType::CPU;
  int tensor_number = 0;
  std::string biz_code;
  std::string uuid;
  std::string auth_code;                                         // extraInfo.name
  std::vector<std::pair<std::string, std::string>> metadata;     // ONNX metadata_props: extraInfo.buffer
  std::vector<std::string> external_files;  // paths of the files beside the source that hold its weights
  std::vector<std::string> notes;  // things worth telling the user about the import, one line each
};

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_IR_MODEL_H_
