// Scaled dot-product attention and rotary embedding, shared by the operators of the standard and of onnxruntime.
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_ATTENTION_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_ATTENTION_H_

#include <functional>

#include "graph/build/graph_builder.h"

namespace quantpress::graph::onnx {

// x [B, S, heads * D] as [B, heads, S, D].
Value SplitHeads(GraphBuilder& b, Value x, int64_t heads);
// x [B, H, S, D] as [B, S, H * D].
Value JoinHeads(GraphBuilder& b, Value x);

struct AttentionSpec {
  Value q, k, v;      // [B, H, S, D], [B, G, T, D], [B, G, T, E]; G divides H, and H / G neighbouring heads share one of k and v
  float scale = 0;    // of the scores; 0: 1 / sqrt(D)
  float softcap = 0;  // scores become softcap * tanh(scores / softcap); 0: they stay
  Value bias;         // added to the scores, broadcastable to [B, H, S, T]; may be invalid
  // Rows of the bias may be -infinity throughout: their probabilities are 0.
  bool empty_rows = false;
  Value sink;         // score of one more key that has no value, broadcastable to [B, H, S, 1]; may be invalid
  std::function<Value(Value)> change_scores, change_probabilities;  // may be empty
};

struct AttentionResult {
  Value y;                                     // [B, H, S, E]
  Value scores, capped, biased, probabilities;  // [B, H, S, T], stage by stage
};

// softmax(q k' * scale + bias) v
AttentionResult Attend(GraphBuilder& b, const AttentionSpec& spec);

// Which keys a query may see, by position: query i is at `offset` + i, key j at j.
struct Sight {
  Value queries, keys;  // how many; int64 scalars
  Value offset;         // int64, scalar or [B, 1, 1, 1]; invalid: 0
  bool causal = false;
  int64_t left = -1, right = -1;  // window, in keys before and after the query; -1: no limit
};

// bool, [S, T] or [B, 1, S, T]; invalid if every query sees every key.
Value VisibleKeys(GraphBuilder& b, const Sight& sight);

// Both, where both are there; either may be invalid.
Value AndMask(GraphBuilder& b, Value a, Value c);
Value AddBias(GraphBuilder& b, Value a, Value c);

// Rotates the first 2 * R elements of the last axis; cos and sin end in an axis of size R and broadcast to the rest of x.
Value Rotate(GraphBuilder& b, Value x, Value cos, Value sin, bool interleaved);

}  // namespace quantpress::graph::onnx

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_ATTENTION_H_
