// Operators of classical machine learning that replace elements: missing values, categories and labels.
#include <algorithm>
#include <cmath>

#include "graph/build/expr.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"

namespace quantpress::graph::onnx {

namespace {

// A list of floats that holds for every column: one number, or one for each.
Value Row(GraphBuilder& b, const std::vector<float>& values) { return b.Floats(values, {static_cast<int64_t>(values.size())}); }

Value IsNaN(GraphBuilder& b, Value x) { return b.Binary(mnn::BinaryOpOperation::NOTEQUAL, x, x); }

void Imputer(NodeContext& n) {
  const Value x = n.Input(0);
  const bool floats = n.Has("imputed_value_floats");
  const std::vector<float> numbers = n.Floats("imputed_value_floats");
  const std::vector<int64_t> integers = n.Ints("imputed_value_int64s");
  const size_t rank = n.b.Rank(x);
  if (!n.ok()) return;
  const auto count = static_cast<int64_t>(floats ? numbers.size() : integers.size());
  const Dim columns = rank == 0 ? 1 : n.b.shape(x)->back();
  if (count < 1 || (count > 1 && IsKnown(columns) && columns != count)) return n.Fail("{} imputed values for a tensor of shape {}", count, ShapeText(n.b.shape(x)));
  if (floats) {
    const float replaced = n.Float("replaced_value_float", 0);
    const Value missing = std::isnan(replaced) ? IsNaN(n.b, x) : n.b.Equal(x, n.b.ScalarLike(static_cast<double>(replaced), x));
    return n.SetOutput(0, n.b.Select(missing, Row(n.b, numbers), x));
  }
  const Value missing = n.b.Equal(x, n.b.ScalarInt(n.Int("replaced_value_int64", 0), n.b.type(x)));
  n.SetOutput(0, n.b.Select(missing, n.b.Ints(integers, {count}, n.b.type(x)), x));
}

void OneHotEncoder(NodeContext& n) {
  const Value x = n.Input(0);
  const std::vector<int64_t> categories = n.Ints("cats_int64s");
  if (!n.ok()) return;
  if (categories.empty()) return n.Fail("categories that are strings, which the runtime does not have");
  if (n.Int("zeros", 1) == 0) return n.Fail("zeros = 0: an unknown category would have to be an error, which the runtime cannot raise");
  const Value wanted = n.b.Ints(categories, {static_cast<int64_t>(categories.size())}, ElementType::kInt32);
  n.SetOutput(0, Indicator({&n.b, n.b.Equal(n.b.Unsqueeze(n.b.Cast(x, ElementType::kInt32), {-1}), wanted)}));
}

// keys -> values: every element is compared with every key.
void LabelEncoder(NodeContext& n) {
  constexpr int64_t kMaxKeys = 4096;
  GraphBuilder& b = n.b;
  const Value x = n.Input(0);
  const auto list = [&](const char* ints, const char* floats, const char* tensor) -> Value {
    if (n.Has(ints)) {
      const std::vector<int64_t> values = n.Ints(ints);
      return b.Ints(values, {static_cast<int64_t>(values.size())});
    }
    if (n.Has(floats)) return Row(b, n.Floats(floats));
    return n.Has(tensor) ? n.TensorAttribute(tensor) : Value{};
  };
  const Value keys = list("keys_int64s", "keys_floats", "keys_tensor"), values = list("values_int64s", "values_floats", "values_tensor");
  if (!n.ok()) return;
  if (!keys.valid() || !values.valid()) return n.Fail("labels that are strings, which the runtime does not have");
  const auto count = static_cast<int64_t>(b.constant(keys)->count());
  if (count < 1 || count > kMaxKeys || b.constant(values)->count() != static_cast<uint64_t>(count)) {
    return n.Fail("{} keys and {} values; expected the same number, at most {}", count, b.constant(values)->count(), kMaxKeys);
  }
  const ElementType type = b.type(values);
  Value fallback = n.Has("default_tensor") ? b.Reshape(n.TensorAttribute("default_tensor"), b.IntList({1}))
                   : IsFloat(type)         ? b.Floats({n.Float("default_float", -0.0f)}, {1})
                                           : b.Ints({n.Int("default_int64", -1)}, {1});
  Value row = b.Reshape(keys, b.IntList({-1}));
  const Value element = b.Unsqueeze(x, {-1});
  Value nan_key;
  if (IsFloat(b.type(row)) && n.opset() >= 4) {
    // From version 4 on NaN is a key that equals itself.
    std::vector<float> numbers = b.ConstantFloats(row).value_or(std::vector<float>{}), is_nan;
    for (float& key : numbers) {
      is_nan.push_back(std::isnan(key) ? 1.0f : 0.0f);
      if (std::isnan(key)) key = 0;
    }
    if (std::count(is_nan.begin(), is_nan.end(), 1.0f) > 0) {
      row = Row(b, numbers);
      nan_key = b.Cast(Row(b, is_nan), ElementType::kBool);
    }
  }
  Expr hit{&b, b.Equal(element, row)};
  if (nan_key.valid()) hit = {&b, b.Select(nan_key, IsNaN(b, element), hit)};
  const Value any = b.Reduce(mnn::ReductionType::MAXIMUM, Indicator(hit), {-1}, false);
  const Value place = b.Select(Expr{&b, any} > 0.5, b.ArgMax(Indicator(hit), -1, false), b.ScalarInt(count));
  const Value table = b.Concat({b.Reshape(values, b.IntList({-1})), b.Cast(fallback, type)}, 0);
  n.SetOutput(0, b.Gather(table, place, 0));
}

constexpr OpRow kRows[] = {
    {"ai.onnx.ml", "Imputer", 1, kNewest, Imputer, ""},
    {"ai.onnx.ml", "LabelEncoder", 2, kNewest, LabelEncoder, "numbers to numbers; up to 4096 keys"},
    {"ai.onnx.ml", "OneHotEncoder", 1, kNewest, OneHotEncoder, "integer categories"},
};

}  // namespace

std::span<const OpRow> EncoderOps() { return kRows; }

}  // namespace quantpress::graph::onnx
