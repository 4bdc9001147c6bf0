// Builds a graph op by op, in the runtime's vocabulary, for every front-end. Each function infers the result's type and
// shape, folds what is constant, and writes around what the runtime gets wrong (docs/runtime.md), so that an importer
// says only what it means.
//
// Errors are sticky: the first one is kept, later calls do nothing and return invalid values; the importer asks status()
// once per node.
#ifndef QUANTPRESS_GRAPH_BUILD_GRAPH_BUILDER_H_
#define QUANTPRESS_GRAPH_BUILD_GRAPH_BUILDER_H_

#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "graph/build/value.h"
#include "graph/ir/model.h"

namespace quantpress::graph {

// What one output of an emitted op is.
struct OutputSpec {
  ElementType type = ElementType::kFloat32;
  std::optional<Shape> shape;
  // How the runtime holds it; kUnknown: StoredType(type), but int32 for computed int8 and uint8.
  ElementType stored = ElementType::kUnknown;
};

// Geometry of a 2-D convolution or pooling window, MNN order: y before x; pads top, left, bottom, right.
struct Window2D {
  int64_t kernel[2] = {1, 1};
  int64_t stride[2] = {1, 1};
  int64_t dilation[2] = {1, 1};
  int64_t pads[4] = {0, 0, 0, 0};
};

struct BuildOptions {
  bool convert_matmul_to_conv = true;  // a product with a constant matrix becomes a 1x1 convolution
  bool group_conv_native = false;      // keep grouped convolutions as one op
  bool recurrent_native = false;       // LSTM and RNN as the runtime's ops where these can do it
};

// Broadcast constants up to this many elements are written out; larger ones are broadcast by the runtime.
inline constexpr int64_t kMaxStoredBroadcast = int64_t{1} << 16;

class GraphBuilder {
 public:
  // Ops go to `graph`. `parent` is the builder of the enclosing graph, or null. All outlive the builder.
  GraphBuilder(Graph* graph, SymbolTable* symbols, const BuildOptions& options, GraphBuilder* parent = nullptr);

  const BuildOptions& options() const { return options_; }

  // ---- errors
  const Status& status() const { return status_; }
  bool ok() const { return status_.ok(); }
  Value Fail(Status status);           // keeps the first error; returns an invalid value
  Status TakeStatus();                 // returns and clears it

  // ---- values
  const ValueInfo& info(Value v) const;
  ElementType type(Value v) const { return info(v).type; }
  const std::optional<Shape>& shape(Value v) const { return info(v).shape; }
  bool HasRank(Value v) const { return v.valid() && info(v).shape.has_value(); }
  // Fails (sticky) and returns 0 if the rank is unknown: "the rank of input ... must be known".
  size_t Rank(Value v);
  bool IsConstant(Value v) const { return v.valid() && info(v).constant != nullptr; }
  const Constant* constant(Value v) const { return v.valid() ? info(v).constant.get() : nullptr; }
  // Elements of a constant of at most 1 << 24 elements; nullopt otherwise.
  std::optional<std::vector<int64_t>> ConstantInts(Value v) const;
  std::optional<std::vector<float>> ConstantFloats(Value v) const;
  // Gives a value of unknown rank a shape of unknown sizes: for operators that take that rank only.
  void AssumeRank(Value v, size_t rank);
  // True if no element can be negative (integers).
  bool IsNonNegative(Value v) const;
  void MarkNonNegative(Value v) { if (v.valid()) Mutable(v).non_negative = true; }
  // Elements of a shape-like tensor, numbers or symbols (also of constants); nullopt if nothing is known.
  std::optional<std::vector<Dim>> Elements(Value v) const;
  SymbolTable* symbols() { return symbols_; }

  // ---- making values
  // `stored`: how the runtime holds it; kUnknown: StoredType(type).
  Value Input(std::string name, ElementType type, std::optional<Shape> shape, ElementType stored = ElementType::kUnknown);
  Value MakeConstant(Constant constant, std::string name = "");
  Value Floats(std::vector<float> values, std::vector<int64_t> shape);
  Value Ints(std::vector<int64_t> values, std::vector<int64_t> shape, ElementType type = ElementType::kInt64);
  Value ScalarFloat(float value) { return Floats({value}, {}); }
  Value ScalarInt(int64_t value, ElementType type = ElementType::kInt64) { return Ints({value}, {}, type); }
  Value IntList(std::vector<int64_t> values);  // rank 1
  Value EmptyConstant(ElementType type, Shape shape);  // precondition: no elements
  // Known at conversion time only. A sequence of tensors of one type, and the absent value of an optional.
  Value MakeSequence(std::vector<Value> items, ElementType type);
  Value MakeNothing(ElementType type);
  // The sequence of parts of x along `axis`: of size 1, or of `sizes`.
  Value MakeParts(Value x, Value sizes, size_t axis, bool keep_axis);
  bool IsSequence(Value v) const { return v.valid() && info(v).kind == ValueKind::kSequence; }
  bool IsNothing(Value v) const { return v.valid() && info(v).kind == ValueKind::kNothing; }
  bool IsParts(Value v) const { return v.valid() && info(v).kind == ValueKind::kParts; }

  // Appends an op. Inputs that are constants become Const ops. The op gets the name of its first output.
  Value Emit(mnn::OpType type, mnn::OpParameterUnion main, std::vector<Value> inputs, OutputSpec output,
             std::vector<Bulk> bulk = {});
  std::vector<Value> EmitMulti(mnn::OpType type, mnn::OpParameterUnion main, std::vector<Value> inputs,
                               std::vector<OutputSpec> outputs, std::vector<Bulk> bulk = {});
  // The op that Emit appended last (to set rare fields).
  Op& last_op() { return graph_->ops.back(); }

  // Gives a value the name that the source model has for it. If the value has such a name already (or is an input), an
  // Identity is added where the graph needs the second name as an output: see NameOutput.
  void Rename(Value v, const std::string& name);
  // A value that is produced by an op of this graph under exactly `name`: for graph outputs.
  Value NameOutput(Value v, const std::string& name);
  // Hint for the names of the next emitted tensors: "<prefix>/<op>_<n>" until Rename gives them a real one.
  void SetNamePrefix(std::string prefix);
  // Forgets shape knowledge, for values that change from one loop iteration to the next.
  Value Opaque(Value v, std::optional<Shape> shape);

  // Copies what is known of shapes into the graph, for the passes. Call it when the graph is complete.
  void RecordShapes();

  // Index of the value's tensor in the graph; emits a Const op for a constant, captures a value of the enclosing graph.
  int Tensor(Value v);

  // ---- subgraphs
  GraphBuilder* parent() const { return parent_; }
  Graph* graph() { return graph_; }
  // The value of this graph that stands for `outer`, a value of the parent: constants are copied, others become inputs.
  Value Capture(Value outer);
  // The same for a value of `owner`, a builder further out.
  Value CaptureFrom(GraphBuilder* owner, Value outer);
  // Values of the parent that were captured, in order of first use, with the input that stands for each.
  const std::vector<std::pair<Value, Value>>& captures() const { return captures_; }

  // ---- element-wise (build/elementwise.cc). NumPy broadcasting; int8/uint8 operands are widened to int32 first.
  Value Binary(mnn::BinaryOpOperation op, Value a, Value b);
  Value Add(Value a, Value b) { return Binary(mnn::BinaryOpOperation::ADD, a, b); }
  Value Sub(Value a, Value b) { return Binary(mnn::BinaryOpOperation::SUB, a, b); }
  Value Mul(Value a, Value b) { return Binary(mnn::BinaryOpOperation::MUL, a, b); }
  Value Div(Value a, Value b) { return Binary(mnn::BinaryOpOperation::REALDIV, a, b); }  // ints: truncated
  Value Max(Value a, Value b) { return Binary(mnn::BinaryOpOperation::MAXIMUM, a, b); }
  Value Min(Value a, Value b) { return Binary(mnn::BinaryOpOperation::MINIMUM, a, b); }
  // Comparisons give bool.
  Value Less(Value a, Value b);
  Value Greater(Value a, Value b);
  Value Equal(Value a, Value b);
  Value LogicalNot(Value a);
  Value LogicalAnd(Value a, Value b);
  Value LogicalOr(Value a, Value b);
  // Exact also for products of integers beyond 2^24, which the plain MUL rounds to float32.
  Value MulExact(Value a, Value b);
  Value Unary(mnn::UnaryOpOperation op, Value a);  // ROUND: half to even
  Value RoundHalfEven(Value a);
  Value Select(Value condition, Value a, Value b);
  // Floats are truncated, integers wrap around into narrower types, bools are "not zero". Between float types nothing is computed.
  Value Cast(Value a, ElementType type);
  // The same elements under another meaning; nothing is computed. Precondition: every element is a value of `type`.
  Value Retype(Value a, ElementType type);
  // Elements modulo the range of the integer `type`.
  Value Wrap(Value a, ElementType type);
  // Integers `type` from floats that are whole numbers in its range once `offset` is added. Users that cast the result back to float
  // get the floats, without a detour.
  Value CastIntegral(Value a, ElementType type, float offset = 0);
  // The value held as int32 (or float32 for floats), whatever it was: for ops that cannot work on int8 and uint8.
  Value Widen(Value a);
  Value Relu(Value a, float slope = 0);
  Value Clip(Value a, float low, float high);  // float; ReLU6 with limits
  // Float constant scalar of the type of `like`.
  Value ScalarLike(double value, Value like);

  // ---- shape and layout (build/shape_ops.cc, build/join_ops.cc, build/index_ops.cc, build/gather_ops.cc)
  Value ShapeOf(Value x);                                   // int64 [rank]
  Value DimOf(Value x, size_t axis);                        // int64 scalar
  Value SizeOf(Value x);                                    // int64 scalar: number of elements
  Value Reshape(Value x, Value shape, bool allow_zero = false);
  Value ReshapeTo(Value x, std::vector<int64_t> dims);      // at most one -1; 0 copies the dimension
  // To a shape with symbols that are dimensions of x: uses 0 and -1 where possible, else computes the shape.
  Value ReshapeLike(Value x, const Shape& target, Value shape_source);
  Value Squeeze(Value x, std::vector<int64_t> axes);
  Value Unsqueeze(Value x, std::vector<int64_t> axes);
  // Axes that a run computes. The rank is known if the number of axes is.
  Value SqueezeComputed(Value x, Value axes);
  Value UnsqueezeComputed(Value x, Value axes);
  Value Transpose(Value x, std::vector<int64_t> perm);
  Value Concat(std::vector<Value> parts, int64_t axis);
  // Constant bounds, one entry per listed axis, ONNX semantics (negative counts from the end, clamped).
  Value Slice(Value x, std::vector<int64_t> starts, std::vector<int64_t> ends, std::vector<int64_t> axes,
              std::vector<int64_t> steps = {});
  // Run-time bounds (rank-1 tensors); axes and steps may be invalid (absent).
  Value SliceDynamic(Value x, Value starts, Value ends, Value axes, Value steps);
  Value Gather(Value x, Value indices, int64_t axis);       // negative indices allowed
  Value Expand(Value x, Value shape);                       // ONNX Expand: two-way broadcast
  Value Tile(Value x, Value repeats);
  std::vector<Value> Split(Value x, int64_t axis, std::vector<int64_t> sizes);
  Value Fill(Value shape, Value scalar);
  Value Range(Value start, Value limit, Value delta);
  // ONNX order of pads (all begins, then all ends), mode of PadParam. Negative pads cut.
  Value Pad(Value x, std::vector<int64_t> pads, mnn::PadValueMode mode, Value value = {});
  // The same with pads that a run computes, for `axes` only (rank 1: begins, then ends).
  Value PadDynamic(Value x, Value pads, const std::vector<int64_t>& axes, mnn::PadValueMode mode, Value value = {});
  // As if the tensor repeated endlessly, along the given axes; pads (rank 1: begins, then ends) may be computed.
  Value PadWrap(Value x, Value pads, const std::vector<int64_t>& axes);
  // Elements of `x` along `axis` at constant positions: any rearrangement along one axis.
  Value GatherAt(Value x, std::vector<int64_t> positions, size_t axis);
  // Indices may be negative in all of these.
  Value GatherElements(Value x, Value indices, int64_t axis);
  Value GatherND(Value x, Value indices, int64_t batch_dims = 0);
  enum class Reduction { kNone, kAdd, kMul, kMin, kMax };
  Value ScatterElements(Value x, Value indices, Value updates, int64_t axis, Reduction reduction = Reduction::kNone);
  Value ScatterND(Value x, Value indices, Value updates, Reduction reduction = Reduction::kNone);
  Value NonZero(Value x);  // int64 [count, rank], unlike ONNX's transposed form
  Value Reverse(Value x, int64_t axis);
  struct TopKResult {
    Value values, indices;
  };
  // `stable`: equal values keep their order, where that costs little.
  TopKResult TopK(Value x, Value k, int64_t axis, bool largest, bool stable);

  // ---- reductions and matrices (build/reduce_ops.cc, build/matrix_ops.cc)
  Value Reduce(mnn::ReductionType op, Value x, std::vector<int64_t> axes, bool keep_dims);  // empty axes: all
  Value Softmax(Value x, int64_t axis);
  // The same with axes computed at run time, a rank-1 tensor that is not empty.
  Value ReduceDynamic(mnn::ReductionType op, Value x, Value axes, bool keep_dims);
  // Index of the first largest (or smallest) element, int64.
  Value ArgMax(Value x, int64_t axis, bool keep_dims, bool minimum = false);
  // NumPy matmul; ranks from 1. A constant matrix b of rank 2 becomes the weight of a 1x1 convolution.
  Value MatMul(Value a, Value b, bool transpose_a = false, bool transpose_b = false);
  // x [..., K] times weight [N, K] (constant) plus bias [N] (constant or invalid): a 1x1 convolution between reshapes.
  Value Linear(Value x, Value weight, Value bias);

  // ---- convolution family (build/conv_ops.cc). x: [N, C, H, W].
  // weight [oc, ic/group, kh, kw], bias [oc] or invalid. Constant weights live in the op; computed ones become inputs.
  Value Conv2D(Value x, Value weight, Value bias, const Window2D& window, int64_t group);

 private:
  // Reshape by `dims` (0 copies, one -1) or, if valid, by the shape in `shape_source`; the result has shape `out`.
  Value EmitReshape(Value x, const std::vector<int64_t>& dims, Value shape_source, Shape out);
  // The shape that `dims` (numbers and symbols; -1 and perhaps 0 have a meaning) give. nullopt after an error.
  std::optional<Shape> ResolveReshape(const std::optional<Shape>& from, const std::vector<Dim>& dims, bool copy_zero);
  Value NormalizeIndices(Value indices, Value x, size_t axis);
  Value NormalizeTuples(Value indices, Value x, size_t first);
  Value ScatterExtreme(Value x, Value indices, Value updates, size_t axis, Reduction reduction);
  Value EmitPad(Value x, Value interleaved, Shape out, mnn::PadValueMode mode, Value value);
  // An error if a static shape has more elements than the runtime can hold.
  static Status CheckSize(const std::optional<Shape>& shape);
  ValueInfo& Mutable(Value v) { return values_[static_cast<size_t>(v.id)]; }
  Value NewValue(ValueInfo info);
  std::string UniqueName(const std::string& base);
  int AddTensor(const std::string& name);
  void AddOp(Op op);
  void SetTensorName(int tensor, const std::string& name);

  Graph* graph_;
  SymbolTable* symbols_;
  BuildOptions options_;
  GraphBuilder* parent_;
  Status status_;
  std::vector<ValueInfo> values_;
  std::unordered_map<std::string, int> names_;            // tensor of each name
  std::unordered_map<std::string, size_t> next_suffix_;   // of names that were wanted twice
  std::unordered_set<int> source_named_;                  // tensors that carry a name of the source model
  std::vector<int> producer_;                             // op that makes each tensor, by tensor index
  std::map<int, Value> captured_;                         // by id of the outer value
  std::vector<std::pair<Value, Value>> captures_;
  std::string prefix_;
  size_t next_name_ = 0;
};

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_BUILD_GRAPH_BUILDER_H_
