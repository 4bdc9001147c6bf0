// Writes the ops of a graph anew, with more ops between them.
#ifndef QUANTPRESS_GRAPH_PASSES_GRAPH_REWRITER_H_
#define QUANTPRESS_GRAPH_PASSES_GRAPH_REWRITER_H_

#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "graph/build/params.h"
#include "graph/ir/model.h"

namespace quantpress::graph {

// Take the old ops, then Add() every op in execution order; they are the graph's as soon as they are added.
class GraphRewriter {
 public:
  using Shape = std::optional<std::vector<int64_t>>;

  explicit GraphRewriter(Graph* graph) : graph_(*graph), names_(graph->tensors.begin(), graph->tensors.end()) {}

  std::vector<Op> TakeOps() { return std::exchange(graph_.ops, {}); }
  void Add(Op op) { graph_.ops.push_back(std::move(op)); }

  // A tensor of that name, or of one made from it if another tensor has it.
  int Tensor(std::string name, Shape shape) {
    while (!names_.insert(name).second) name += "_";
    const size_t id = graph_.tensors.size();
    graph_.tensors.push_back(std::move(name));
    graph_.shapes.resize(id);
    graph_.shapes.push_back(std::move(shape));
    return static_cast<int>(id);
  }
  // An op with one new result. -> its tensor
  int Emit(mnn::OpType type, mnn::OpParameterUnion main, std::vector<int> inputs, const std::string& name,
           Shape shape) {
    const int out = Tensor(name, std::move(shape));
    AddOp(type, std::move(main), std::move(inputs), out);
    return out;
  }
  // An op that makes a tensor that is there already.
  void AddOp(mnn::OpType type, mnn::OpParameterUnion main, std::vector<int> inputs, int out) {
    Op op;
    op.type = type;
    op.main = std::move(main);
    op.inputs = std::move(inputs);
    op.outputs = {out};
    op.name = graph_.tensors[static_cast<size_t>(out)];
    Add(std::move(op));
  }
  int Constant(const std::string& name, std::vector<int32_t> dims, std::vector<float> values) {
    mnn::BlobT blob;
    blob.dataFormat = mnn::MNN_DATA_FORMAT::NCHW;
    blob.dataType = mnn::DataType::DT_FLOAT;
    blob.dims = std::move(dims);
    std::vector<int64_t> shape(blob.dims.begin(), blob.dims.end());
    const int out = Emit(mnn::OpType::Const, Param(std::move(blob)), {}, name, std::move(shape));
    graph_.ops.back().bulk.push_back({BulkField::kBlobFloat32s, FloatSource(std::move(values))});
    return out;
  }
  int Binary(mnn::BinaryOpOperation kind, int a, int b, const std::string& name, Shape shape) {
    return Emit(mnn::OpType::BinaryOp, BinaryParam(kind), {a, b}, name, std::move(shape));
  }

  static mnn::OpParameterUnion BinaryParam(mnn::BinaryOpOperation kind) {
    mnn::BinaryOpT param;
    param.opType = kind;
    param.T = mnn::DataType::DT_FLOAT;
    return Param(std::move(param));
  }

 private:
  Graph& graph_;
  std::unordered_set<std::string> names_;
};

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_PASSES_GRAPH_REWRITER_H_
